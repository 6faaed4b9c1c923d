# Plays vitis_hls (and vitis-run --tcl) under a plain tclsh: projects and solutions, the options of each release, and
# what the steps leave. A script that the real tool refuses must be refused here; a script that never exits stays open.
# EDGEMOE_STANDIN_RELEASE says which release, EDGEMOE_STANDIN_PYTHON runs vitis_results.py. Texts of messages that have a
# number were seen in public logs of the tool.

set HERE [file dirname [file normalize [info script]]]
set RELEASE $::env(EDGEMOE_STANDIN_RELEASE)
set PYTHON $::env(EDGEMOE_STANDIN_PYTHON)
set NAME $::env(EDGEMOE_STANDIN_NAME)
set ::env(EDGEMOE_STANDIN_PID) [pid]
source [file join $HERE vitis_options.tcl]

# What is open, and what each file holds.
array set project {name "" top "" design {} design_cflags {} tb {}}
array set solution {name "" flow "" part "" period "" uncertainty "" synthesized 0 settings {}}
set LOG ""

proc say {line} {
    puts $line
    if {$::LOG ne ""} { puts $::LOG $line }
}

# An error of the tool: the message is logged, the script sees an error without a text.
proc refuse {message} {
    say "ERROR: $message"
    return -code error ""
}

# Reads a command's options as the tool does: {options positional}. Booleans come as 1 or 0.
proc parse {command arguments} {
    set found {}
    set positional {}
    set known [dict create]
    foreach {name kind since} [dict get $::OPTIONS $command] {
        if {[string compare $since $::RELEASE] <= 0} { dict set known $name $kind }
    }
    while {[llength $arguments]} {
        set word [lindex $arguments 0]
        set arguments [lrange $arguments 1 end]
        if {![string match {-[a-zA-Z]*} $word]} { lappend positional $word; continue }
        regexp {^([^=]+)(=(.*))?$} $word -> name assigned value
        if {![dict exists $known $name]} { refuse "\[HLS 200-101\] '$command': Unknown option '$name'." }
        set kind [dict get $known $name]
        if {$kind eq "flag" || ($kind eq "bool" && $assigned eq "")} {
            dict set found $name 1
            continue
        }
        if {$assigned eq ""} {
            if {![llength $arguments]} { refuse "\[HLS 200-101\] '$command': Option '$name' needs a value." }
            set value [lindex $arguments 0]
            set arguments [lrange $arguments 1 end]
        }
        set good 1
        switch -- $kind {
            text {}
            int { set good [string is integer -strict $value] }
            bool { set good [string is boolean -strict $value]; if {$good} { set value [expr {bool($value)}] } }
            default { set good [expr {$value in $kind}] }
        }
        if {!$good} { refuse "\[HLS 200-101\] '$command': Illegal value '$value' of option '$name'." }
        dict set found $name $value
    }
    return [list $found $positional]
}

# Wraps a command: it is logged as the tool logs it, then its options are read.
proc command {name parameters body} {
    proc do_$name $parameters $body
    proc $name {args} [string map [list @ $name] {
        say "INFO: \[HLS 200-1510\] Running: @ $args "
        lassign [parse @ $args] options positional
        do_@ $options $positional
    }]
}

proc need_project {} { if {$::project(name) eq ""} { refuse "\[HLS\] No project is open: call open_project first." } }
proc need_solution {} { if {$::solution(name) eq ""} { refuse "\[HLS\] No solution is open: call open_solution first." } }
proc place {} { file join $::project(name) $::solution(name) }

proc store {path name} {
    upvar #0 $name values
    set file [open $path w]
    foreach key [lsort [array names values]] { puts $file [list $key $values($key)] }
    close $file
}
proc load_state {path name} {
    upvar #0 $name values
    set file [open $path r]
    foreach line [split [string trimright [read $file]] \n] { set values([lindex $line 0]) [lindex $line 1] }
    close $file
}

command open_project {options positional} {
    set name [lindex $positional 0]
    if {[dict exists $options -reset]} { file delete -force -- $name }
    set ::project(name) $name
    if {[file exists [file join $name hls.app]]} {
        load_state [file join $name hls.app] project
        say "INFO: \[HLS 200-10\] Opening project '[file normalize $name]'."
    } else {
        file mkdir $name
        say "INFO: \[HLS 200-10\] Creating and opening project '[file normalize $name]'."
    }
}

command set_top {options positional} {
    need_project
    set ::project(top) [lindex $positional 0]
}

command add_files {options positional} {
    need_project
    foreach file [concat {*}$positional] {
        if {![file isfile $file]} { refuse "\[HLS 200-40\] Cannot find source file $file" }
        if {[dict exists $options -tb]} {
            say "INFO: \[HLS 200-10\] Adding test bench file '$file' to the project"
            lappend ::project(tb) $file
        } else {
            say "INFO: \[HLS 200-10\] Adding design file '$file' to the project"
            lappend ::project(design) $file
            if {[dict exists $options -cflags]} { set ::project(design_cflags) [dict get $options -cflags] }
        }
    }
}

command open_solution {options positional} {
    need_project
    set ::solution(name) [lindex $positional 0]
    set path [place]
    if {[dict exists $options -reset]} { file delete -force -- $path }
    if {[file exists [file join $path solution.aps]]} {
        load_state [file join $path solution.aps] solution
        say "INFO: \[HLS 200-10\] Opening solution '[file normalize $path]'."
    } else {
        file mkdir $path
        say "INFO: \[HLS 200-10\] Creating and opening solution '[file normalize $path]'."
        set ::solution(flow) vivado
    }
    if {[dict exists $options -flow_target]} { set ::solution(flow) [dict get $options -flow_target] }
    say "INFO: \[HLS 200-1505\] Using flow_target '$::solution(flow)'"
}

command set_part {options positional} {
    need_solution
    set ::solution(part) [lindex $positional 0]
    if {[catch {exec $::PYTHON -B -c {
import sys; sys.path.insert(0, sys.argv[1]); import vitis_parts; sys.exit(sys.argv[2] not in vitis_parts.PARTS)
    } $::HERE $::solution(part)}]} { refuse "\[HLS 200-1023\] Part '$::solution(part)' is not installed." }
    say "INFO: \[HLS 200-1611\] Setting target device to '$::solution(part)'"
}

command create_clock {options positional} {
    need_solution
    set period [dict get $options -period]
    if {[regexp -nocase {^([0-9.]+)mhz$} $period -> rate]} { set period [format %.3f [expr {1000.0 / $rate}]] }
    set period [regsub -nocase {ns$} $period ""]
    if {![string is double -strict $period]} { refuse "\[HLS\] '$period' is no clock period." }
    set ::solution(period) $period
    say "INFO: \[SYN 201-201\] Setting up clock 'default' with a period of ${period}ns."
}

command set_clock_uncertainty {options positional} {
    need_solution
    set value [lindex $positional 0]
    if {$::solution(period) eq ""} { refuse "\[HLS\] There is no clock: call create_clock first." }
    if {[regexp {^([0-9.]+)%$} $value -> share]} { set value [expr {$::solution(period) * $share / 100.0}] }
    if {![string is double -strict $value]} { refuse "\[HLS\] '$value' is no uncertainty." }
    set ::solution(uncertainty) $value
    say "INFO: \[SYN 201-201\] Setting up clock 'default' with an uncertainty of ${value}ns."
}

foreach name [lsearch -all -inline [dict keys $OPTIONS] config_*] {
    command $name {options positional} [string map [list @ $name] {
        need_solution
        dict for {option value} $options {
            dict set ::solution(settings) [string trim "@ $positional $option"] $value
        }
    }]
}

# Runs a step of vitis_results.py; its lines are the tool's.
proc step {name args} {
    set include {}
    foreach word [split $::project(design_cflags)] { if {[string match -I?* $word]} { lappend include [string range $word 2 end] } }
    set values [list release=$::RELEASE top=$::project(top) part=$::solution(part) period=$::solution(period) \
        uncertainty=$::solution(uncertainty) flow=$::solution(flow) files=[join $::project(design) \n] \
        include=[join $include \n] out=[place] project=$::project(name) solution=$::solution(name) {*}$args]
    set pipe [open "|[list $::PYTHON -B [file join $::HERE vitis_results.py] $name {*}$values 2>@1]" r]
    while {[gets $pipe line] >= 0} { say $line }
    if {[catch {close $pipe} message options]} {
        if {[lindex [dict get $options -errorcode] 2] == 75} { really_exit 0 }
        return -code error ""
    }
}

command csynth_design {options positional} {
    need_solution
    if {$::project(top) eq ""} { refuse "\[HLS\] No top function: call set_top first." }
    if {![llength $::project(design)]} { refuse "\[HLS\] The project has no design file: call add_files first." }
    if {$::solution(part) eq ""} { refuse "\[HLS\] No part: call set_part first." }
    if {$::solution(period) eq ""} { refuse "\[HLS\] There is no clock: call create_clock first." }
    if {$::solution(uncertainty) eq ""} { set ::solution(uncertainty) [expr {$::solution(period) * 0.27}] }
    step csynth
    set ::solution(synthesized) 1
    store [file join $::project(name) hls.app] project
    store [file join [place] solution.aps] solution
    say "INFO: \[HLS 200-111\] Finished Command csynth_design"
}

proc need_synthesis {command} {
    need_solution
    if {!$::solution(synthesized)} { refuse "\[HLS\] '$command' needs a synthesised solution: call csynth_design first." }
}

command cosim_design {options positional} {
    need_synthesis cosim_design
    set argv [expr {[dict exists $options -argv] ? [dict get $options -argv] : ""}]
    step cosim argv=$argv testbench=[join [lsearch -all -inline -glob $::project(tb) *.cpp] \n] \
        data=[join [lsearch -all -inline -glob $::project(tb) *.bin] \n]
    say "INFO: \[HLS 200-111\] Finished Command cosim_design"
}

command export_design {options positional} {
    need_synthesis export_design
    set identity [list vendor xilinx.com library hls ipname $::project(top) version 1.0 display_name $::project(top) \
        description "An IP generated by Vitis HLS"]
    dict for {option value} $options {
        set key [string range $option 1 end]
        if {[dict exists $identity $key]} { dict set identity $key $value }
    }
    set values {}
    dict for {key value} $identity { lappend values $key=$value }
    step package shown=[file normalize [place]] {*}$values
    say "INFO: \[HLS 200-111\] Finished Command export_design"
}

rename exit really_exit
proc exit {{code 0}} {
    say "INFO: \[Common 17-206\] Exiting $::NAME"
    really_exit $code
}

set banner "****** $NAME - High-Level Synthesis from C, C++ and OpenCL v$RELEASE (64-bit)"
set script ""
for {set i 0} {$i < $argc} {incr i} {
    set word [lindex $argv $i]
    switch -- $word {
        -version { puts $banner; really_exit 0 }
        -f { incr i; set script [lindex $argv $i] }
        -nosplash - -terse {}
        default { puts "ERROR: \[HLS 200-101\] Unknown option '$word'"; really_exit 1 }
    }
}
set LOG [open vitis_hls.log w]
fconfigure stdout -buffering line
say $banner
say "INFO: \[HLS 200-10\] In directory '[pwd]'"
if {$script ne ""} {
    say "Sourcing Tcl script '$script'"
    if {[catch {uplevel #0 [list source $script]}]} {
        say "command 'ap_source' returned error code\n    while executing\n\"source $script\""
        exit 1
    }
}
# The script has not exited: the tool stays open for commands.
puts -nonewline "$NAME> "
flush stdout
while {[gets stdin line] >= 0} { catch {uplevel #0 $line} }
really_exit 0

# Stand-in of Vivado's batch mode, run by tclsh: takes the same command line, gives a script the vendor commands that
# the stand-in knows (with their options as UG835 documents them) in an interpreter of its own, and refuses all others.
# The launcher (standin_vivado.py) sets EDGEMOE_STANDIN_RELEASE and EDGEMOE_STANDIN_PYTHON.

set auto_noexec 1
namespace eval standin {
    variable folder [file dirname [file normalize [info script]]]
    variable release $::env(EDGEMOE_STANDIN_RELEASE)
    variable python $::env(EDGEMOE_STANDIN_PYTHON)
    variable log ""
    variable fail ""
    variable commands {}
}
foreach part {core catalog cells nets addresses validate project ipx runs} {
    source [file join $standin::folder vivado_$part.tcl]
}

proc standin::banner {} {
    variable release
    set name [expr {[package vcompare $release 2024.1] >= 0 ? "vivado" : "Vivado"}]
    return "$name v$release (64-bit)\nTool Version Limit: ${release}0\nSW Build 4029153 on Fri Oct 13 20:13:54 MDT\
        2023\nIP Build 4028589 on Sat Oct 14 00:45:43 MDT 2023\nCopyright 1986-2022 Xilinx, Inc. All Rights\
        Reserved.\nCopyright 2022-2023 Advanced Micro Devices, Inc. All Rights Reserved."
}

# Options of the command `vivado` (UG835, "Vivado command line"); those that name a file or a mode take a value.
proc standin::command_line {words} {
    set options [dict create -mode gui -source {} -log vivado.log]
    while {[llength $words]} {
        set words [lassign $words word]
        switch -- $word {
            -nojournal - -notrace - -nolog - -verbose {dict set options $word 1}
            -version {puts [banner]; exit 0}
            -help {puts "vivado \[-mode <arg>\] \[-source <arg>\] \[-nojournal\] \[-log <arg>\] \[-version\]"; exit 0}
            -mode - -source - -log - -journal - -tempDir {
                if {![llength $words]} {refuse_command_line "Missing value for option '$word'"}
                set words [lassign $words value]
                dict set options $word $value
            }
            -tclargs {set words {}}
            default {refuse_command_line "Unknown option '$word'"}
        }
    }
    if {[dict get $options -mode] ne "batch"} {
        refuse_command_line "the stand-in knows -mode batch only, not '[dict get $options -mode]'"
    }
    if {[dict get $options -source] eq ""} {refuse_command_line "batch mode needs -source"}
    return $options
}

proc standin::refuse_command_line {reason} {
    puts stderr "ERROR: \[Common 17-170\] $reason, please type 'vivado -help' for usage info."
    exit 1
}

# Runs the script command by command, echoing each as Vivado does ("# command"), in an interpreter that has nothing
# but plain Tcl and the vendor commands.
proc standin::run_script {path trace} {
    variable commands
    interp create script
    script eval {namespace eval ipx {}}
    foreach command $commands {
        interp alias script $command {} standin::vendor $command
    }
    interp alias script puts {} standin::script_puts
    interp alias script exit {} standin::leave
    set channel [open $path]
    set pending ""
    set number 0
    set first 1
    script eval [list info script $path]
    while {[gets $channel line] >= 0} {
        incr number
        if {$pending eq ""} {set first $number}
        append pending $line \n
        if {![info complete $pending]} continue
        if {[regexp {^\s*(#|$)} $pending]} {
            set pending ""
            continue
        }
        if {$trace} {
            foreach echoed [split [string trimright $pending \n] \n] {say "# $echoed"}
        }
        if {[catch {script eval $pending} message trouble]} {
            # The message of a vendor command stands in the log already; what follows says where.
            set information [dict get $trouble -errorinfo]
            if {[string match "ERROR: \\\[*" $message]} {
                set information [string range $information [string length $message] end]
            }
            say [string map [list "\n    invoked from within\n\"script eval \$pending\"" ""] $information]
            say "    (file \"$path\" line $first)"
            leave 1
        }
        set pending ""
    }
    if {$pending ne ""} {
        say "missing close-brace in \"$path\", line $first"
        leave 1
    }
    close $channel
    leave 0
}

# Every vendor command passes here: it is found, checked and run; an error carries the vendor's own words.
proc standin::vendor {command args} {
    if {[catch {::vendor::$command {*}$args} result]} {
        say "ERROR: $result"
        return -code error "ERROR: $result"
    }
    return $result
}

proc standin::leave {{code 0}} {
    say "INFO: \[Common 17-206\] Exiting Vivado at [now]..."
    exit $code
}

set options [standin::command_line $argv]
standin::open_log $options
standin::say "\n****** [string map {\n "\n  **** "} [standin::banner]]\n"
standin::read_failure
if {![file exists [dict get $options -source]]} {
    standin::say "ERROR: \[Common 17-69\] Command failed: couldn't read file \"[dict get $options -source]\":\
        no such file or directory"
    standin::leave 1
}
standin::say "source [dict get $options -source]"
standin::run_script [dict get $options -source] [expr {![dict exists $options -notrace]}]

# Runs and results: synthesis and implementation move through their states and write logs as the tool's children do.

namespace eval runs {
    variable state {
        synth_1 {STATUS "Not started" PROGRESS 0% NEEDS_REFRESH 0 STRATEGY "Vivado Synthesis Defaults" steps {}}
        impl_1 {STATUS "Not started" PROGRESS 0% NEEDS_REFRESH 0 STRATEGY "Vivado Implementation Defaults" steps {}}
    }
    variable strategies {
        synth_1 {"Vivado Synthesis Defaults" Flow_PerfOptimized_high Flow_AreaOptimized_high Flow_RuntimeOptimized
            Flow_PerfThresholdCarry Flow_AlternateRoutability}
        impl_1 {"Vivado Implementation Defaults" Performance_Explore Performance_ExplorePostRoutePhysOpt
            Performance_ExtraTimingOpt Performance_NetDelay_high Performance_Retiming Congestion_SpreadLogic_high
            Area_Explore Flow_RuntimeOptimized Flow_Quick}
    }
    variable opened ""
    variable hooks {}
}

# Script that a run sources before or after a step (UG835, "Using Tcl.pre and Tcl.post Hook Scripts").
proc runs::hook {run step side path} {
    variable hooks
    set steps [expr {$run eq "synth_1" ? "synth_design" : "opt_design place_design phys_opt_design route_design\
        post_route_phys_opt_design write_bitstream"}]
    if {$step ni $steps} {
        standin::refuse "Common 17-54" "The object '$run' does not have a property 'STEPS.$step.TCL.$side'."
    }
    dict set hooks $run $step $side $path
}

# Sources such a script as the run's own process does: in the run's folder, in an interpreter of its own. Returns 0 if it
# failed.
proc runs::sourced {run step side log} {
    variable hooks
    if {![dict exists $hooks $run $step $side]} {return 1}
    set path [file join [directory $run] [dict get $hooks $run $step $side]]
    both $log "source $path"
    set child [interp create]
    $child eval {namespace eval ipx {}}
    foreach command $standin::commands {interp alias $child $command {} standin::vendor $command}
    interp alias $child puts {} runs::hook_puts $log
    set home [pwd]
    cd [directory $run]
    set failed [catch {interp eval $child [list source $path]} message]
    cd $home
    interp delete $child
    if {$failed} {
        both $log "$message\n    while executing\n\"source $path\"\nINFO: \[Common 17-206\] Exiting Vivado at\
            [standin::now]..."
    }
    return [expr {!$failed}]
}

proc runs::hook_puts {log args} {
    if {[llength $args] == 1} {both $log [lindex $args 0]} else {puts {*}$args}
}

proc runs::names {} {
    variable state
    return [dict keys $state]
}

proc runs::strategy {run value} {
    variable state
    variable strategies
    if {$value ni [dict get $strategies $run]} {
        standin::refuse "Vivado 12-4477" "Strategy '$value' does not exist for run '$run'"
    }
    dict set state $run STRATEGY $value
}

proc runs::directory {run} {
    return [project::path $project::name.runs $run]
}

proc runs::property {run name} {
    variable state
    if {$name eq "DIRECTORY"} {return [directory $run]}
    if {$name eq "NAME"} {return $run}
    return [expr {[dict exists $state $run $name] ? [dict get $state $run $name] : "\0"}]
}

standin::command get_runs {-quiet} {-filter} {
    set found {}
    foreach pattern [expr {[llength $words] ? $words : "*"}] {lappend found {*}[dict keys $runs::state $pattern]}
    if {![llength $found]} {standin::say "WARNING: \[Stand-in 1-6\] No runs matched '$words'"}
    return $found
}

standin::command launch_runs {-force -quiet} {-jobs -to_step -dir} {
    if {![string is integer -strict [standin::given $option -jobs 1]] || [standin::given $option -jobs 1] < 1} {
        standin::refuse "Common 17-161" "Invalid option value '[dict get $option -jobs]' specified for '-jobs'."
    }
    if {[project::property top] ne "${design::name}_wrapper" || ![llength $project::sources] || !$project::generated} {
        standin::refuse "Common 17-69" "Command failed: the top '[project::property top]' has no sources to run"
    }
    foreach run $words {
        if {$run ni [runs::names]} {standin::refuse "Vivado 12-172" "No run '$run'"}
        if {[runs::property $run STATUS] ne "Not started"} {
            standin::refuse "Common 17-69" "Command failed: Run '$run' needs to be reset before launching."
        }
        if {$run eq "impl_1" && [runs::property synth_1 PROGRESS] ne "100%"} {
            standin::refuse "Common 17-70" "Application Exception: impl_1 waits for synth_1, which did not complete"
        }
        set last [standin::given $option -to_step [expr {$run eq "impl_1" ? "route_design" : "synth_design"}]]
        if {$last ni {synth_design opt_design place_design phys_opt_design route_design post_route_phys_opt_design
            write_bitstream}} {
            standin::refuse "Common 17-161" "Invalid option value '$last' specified for '-to_step'."
        }
        dict set runs::state $run steps [runs::steps $run $last]
        dict set runs::state $run STATUS Queued...
        standin::say "\[[standin::now]\] Launched $run..."
        standin::say "Run output will be captured here: [runs::directory $run]/runme.log"
    }
}

proc runs::steps {run last} {
    variable state
    if {$run eq "synth_1"} {return synth_design}
    set all {opt_design place_design route_design}
    if {[string match *PostRoutePhysOpt [dict get $state $run STRATEGY]]} {
        set all {opt_design place_design phys_opt_design route_design post_route_phys_opt_design}
    }
    lappend all write_bitstream
    return [lrange $all 0 [lsearch $all $last]]
}

standin::command wait_on_run {-quiet} {-timeout} {
    set run [lindex $words 0]
    if {$run ni [runs::names]} {standin::refuse "Vivado 12-172" "No run '$run'"}
    if {[runs::property $run STATUS] eq "Not started"} return
    standin::say "\[[standin::now]\] Waiting for $run to finish..."
    set log [runs::open $run]
    runs::both $log "\n*** Running vivado\n    with args -log ${design::name}_wrapper.vdi -applog -m64 -product Vivado\
        -mode batch\n"
    foreach step [dict get $runs::state $run steps] {
        dict set runs::state $run STATUS "Running $step..."
        if {![runs::sourced $run $step pre $log] || ![runs::play $step $log]
            || ![runs::sourced $run $step post $log]} {
            dict set runs::state $run STATUS "$step ERROR"
            break
        }
        dict set runs::state $run STATUS "$step Complete[runs::missed $step]!"
    }
    set failed [string match *ERROR* [runs::property $run STATUS]]
    if {!$failed} {dict set runs::state $run PROGRESS 100%}
    close $log
    standin::say "\[[standin::now]\] $run finished"
    # Newer releases raise an error, older ones only warn (seen in public logs of 2023.x and 2025.1).
    if {$failed && [package vcompare $standin::release 2024.2] >= 0} {
        standin::say "ERROR: \[Vivado 12-13638\] Failed runs(s) : '$run'"
        standin::refuse "Common 17-39" "'wait_on_runs' failed due to earlier errors."
    } elseif {$failed} {
        standin::say "WARNING: \[Vivado 12-8222\] Failed run(s) : '$run'"
    }
    standin::say "wait_on_run: Time (s): cpu = 00:00:01 ; elapsed = 00:31:07 . Memory (MB): peak = 2477.133"
}

proc runs::open {run} {
    file mkdir [directory $run]
    set log [::open [file join [directory $run] runme.log] w]
    fconfigure $log -buffering line
    return $log
}

# A run's own process writes runme.log; batch mode shows it too.
proc runs::both {log text} {
    puts $log $text
    standin::say $text
}

# One step. Returns 0 if it failed.
proc runs::play {step log} {
    set device [lindex [split [project::property part] -] 0]
    both $log "Command: $step"
    if {$step in {synth_design opt_design}} {
        set feature [expr {$step eq "synth_design" ? "Synthesis" : "Implementation"}]
        both $log "Attempting to get a license for feature '$feature' and/or device '$device'"
        if {[standin::fails licence]} {return [no_licence $log $step $feature $device]}
        both $log "INFO: \[Common 17-349\] Got license for feature '$feature' and/or device '$device'"
    }
    switch -- $step {
        place_design {
            phases $log {"Phase 1 Placer Initialization" "Phase 2 Global Placement" "Phase 3 Detail Placement"}
        }
        route_design {
            phases $log {"Phase 1 Build RT Design" "Phase 2 Router Initialization" "Phase 3 Initial Routing"}
            if {[standin::fails crash]} {crash $log}
            if {[standin::fails hang]} {hang $log}
            phases $log {"Phase 4 Rip-up And Reroute" "Phase 5 Delay and Skew Optimization"}
            set slack [slack]
            both $log "INFO: \[Route 35-57\] Estimated Timing Summary | WNS=[format %.3f $slack]\
                | TNS=[format %.3f [expr {$slack < 0 ? -118.204 : 0}]] | WHS=0.010  | THS=0.000  |"
            if {$slack < 0} {
                both $log "CRITICAL WARNING: \[Timing 38-282\] The design failed to meet the timing requirements.\
                    Please see the timing summary report for details on the timing violations."
            }
        }
        write_bitstream {
            if {[standin::fails disk]} {return [full_disk $log]}
            bitstream $log
        }
    }
    both $log "$step completed successfully\n$step: Time (s): cpu = 00:04:01 ; elapsed = 00:02:05 . Memory (MB): peak =\
        2807.926 ; gain = 0.000 ; free physical = 39901 ; free virtual = 52409"
    return 1
}

proc runs::phases {log names} {
    foreach name $names {both $log "\n$name\n$name | Checksum: 2c6694e84"}
}

# What Vivado adds to the status of a step after routing whose result misses the clock.
proc runs::missed {step} {
    set routed {route_design post_route_phys_opt_design write_bitstream}
    return [expr {$step in $routed && [slack] < 0 ? ", Failed Timing" : ""}]
}

# Worst slack in ns. With failure timing:<MHz> the critical path is one period of that clock long, so that a retry at a
# lower clock succeeds; with failure timing alone no clock is met.
proc runs::slack {} {
    if {![standin::fails timing]} {return 0.112}
    if {!$standin::limit_mhz} {return -0.274}
    dict for {cell facts} $design::cells {
        if {[dict exists $facts config PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ]} {
            set mhz [dict get $facts config PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ]
        }
    }
    return [expr {1000.0 / $mhz - 1000.0 / $standin::limit_mhz}]
}

proc runs::no_licence {log step feature device} {
    both $log "WARNING: \[Common 17-348\] Failed to get the license for feature '$feature' and/or device '$device'
0 Infos, 1 Warnings, 0 Critical Warnings and 1 Errors encountered.
$step failed
ERROR: \[Common 17-345\] A valid license was not found for feature '$feature' and/or device '$device'. Please run the\
        Vivado License Manager for assistance in determining
which features and devices are licensed for your system.
Resolution: Check the status of your licenses in the Vivado License Manager. For debug help search Xilinx Support for\
        \"Licensing FAQ\". If you are using a license server, verify that the license server is up and running a\
        version of the xilinx daemon that is compatible with the version of Xilinx software that you are using.
INFO: \[Common 17-206\] Exiting Vivado at [standin::now]..."
    return 0
}

proc runs::full_disk {log} {
    both $log "ERROR: \[Common 17-49\] Internal Data Exception: HDDMProto::writeMessage failed
error writing \"${design::name}_wrapper_routed.dcp\": No space left on device
0 Infos, 0 Warnings, 0 Critical Warnings and 1 Errors encountered.
write_bitstream failed
ERROR: \[Common 17-39\] 'write_bitstream' failed due to earlier errors.
INFO: \[Common 17-206\] Exiting Vivado at [standin::now]..."
    return 0
}

proc runs::crash {log} {
    both $log "Abnormal program termination (11)
Please check '[directory impl_1]/hs_err_pid[pid].log' for details"
    exec kill -SEGV [pid]
    after 10000
}

proc runs::hang {log} {
    both $log "Phase 4 Rip-up And Reroute"
    exec sleep 86400 &
    vwait runs::never
}

proc runs::bitstream {log} {
    if {[standin::fails nobit]} return
    set path [file join [directory impl_1] ${design::name}_wrapper.bit]
    standin::python vivado_results.py bit [project::path standin.json] $path
    both $log "Creating bitstream...\nWriting bitstream ./[file tail $path]..."
}

standin::command open_run {-quiet} {-name} {
    set run [lindex $words 0]
    if {[runs::property $run PROGRESS] ne "100%"} {
        standin::refuse "Common 17-69" "Command failed: Run '$run' failed. Unable to open"
    }
    set runs::opened $run
    return $run
}

# A report: name of the command, options of its own beside -file, kind that the helper knows.
proc runs::report {kind flags values} {
    standin::command $kind $flags [concat -file $values] [string map [list KIND $kind] {
        if {$runs::opened ne "impl_1"} {
            standin::refuse "Common 17-53" "User Exception: No open design. Please open an elaborated, synthesized or\
                implemented design before executing this command."
        }
        if {[llength $words]} {standin::refuse "Common 17-165" "Too many positional options when parsing '$words'"}
        standin::python vivado_results.py KIND [project::path standin.json] [dict get $option -file] \
            [dict exists $option -hierarchical] [runs::slack]
    }]
}
runs::report report_utilization {-hierarchical -hierarchical_percentages -append} {-pb -cells -hierarchical_depth}
runs::report report_timing_summary {-report_unconstrained -warn_on_violation -no_detailed_paths} \
    {-max_paths -nworst -delay_type -pb -rpx}
runs::report report_power {-append} {-pb -rpx}

standin::command write_hw_platform {-fixed -include_bit -force -minimal -quiet} {-file} {
    set path [standin::given $option -file [lindex $words 0]]
    if {![dict exists $option -fixed]} {
        standin::refuse "Common 17-69" "Command failed: the project is no extensible platform: -fixed is needed"
    }
    set bit [file join [runs::directory impl_1] ${design::name}_wrapper.bit]
    if {[dict exists $option -include_bit] && ![file exists $bit]} {
        standin::refuse "Project 1-706" "Bitstream file does not exist: $bit"
    }
    standin::python vivado_results.py xsa [project::path standin.json] $path $bit [project::hwh_file]
    standin::say "INFO: \[Project 1-1918\] Creating Hardware Platform: [file join [pwd] $path] ...
INFO: \[Project 1-1043\] Successfully generated hpfm file
write_hw_platform: Time (s): cpu = 00:00:07 ; elapsed = 00:00:11 . Memory (MB): peak = 2871.3 ; gain = 20.8"
}

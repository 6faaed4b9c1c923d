# The project: parts and boards, properties of objects, sources, the wrapper, what the tool writes before its runs.

namespace eval project {
    variable name ""
    variable folder ""
    variable values {}
    variable sources {}
    variable used_in {}  ;# files with a property of that name
    variable generated 0
    # Parts that the stand-in has "installed", and what their devices hold (DS891, DS987).
    variable parts {
        xczu7ev-ffvc1156-2-e {lut 230400 ff 460800 bram 312 uram 96 dsp 1728}
        xczu9eg-ffvb1156-2-e {lut 274080 ff 548160 bram 912 uram 0 dsp 2520}
        xck26-sfvc784-2LV-c {lut 117120 ff 234240 bram 144 uram 64 dsp 1248}
        xczu3eg-sbva484-1-i {lut 70560 ff 141120 bram 216 uram 0 dsp 360}
    }
    # Board files: part, and what the preset tells of memory (a board with more than 2 GiB has a high segment).
    variable boards {
        xilinx.com:zcu104:part0:1.1 {xczu7ev-ffvc1156-2-e 0}
        xilinx.com:zcu102:part0:3.4 {xczu9eg-ffvb1156-2-e 1}
        xilinx.com:kv260_som:part0:1.3 {xck26-sfvc784-2LV-c 1}
        xilinx.com:kr260_som:part0:1.1 {xck26-sfvc784-2LV-c 1}
        avnet.com:ultra96v2:part0:1.2 {xczu3eg-sbva484-1-i 0}
    }
}

standin::command create_project {-force -in_memory} {-part} {
    lassign $words name folder
    set part [standin::given $option -part]
    if {![dict exists $project::parts $part]} {
        standin::refuse "Coretcl 2-106" "Specified part could not be found."
    }
    if {[file exists [file join $folder $name.xpr]] && ![dict exists $option -force]} {
        standin::refuse "Coretcl 2-1504" "Project '$name.xpr' already exists, please specify -force option to\
            overwrite."
    }
    file delete -force {*}[glob -nocomplain [file join $folder $name.*]]
    file mkdir $folder
    set project::name $name
    set project::folder $folder
    set project::values [dict create part $part board_part "" ip_repo_paths {} top ""]
    standin::write_file [file join $folder $name.xpr] "<Project Version=\"7\"/>\n"
    return $name
}

standin::command current_project {-quiet} {} {
    project::required
    return $project::name
}

standin::command current_fileset {-quiet -simset -constrset} {} {return sources_1}

standin::command set_property {-quiet} {-dict -name -value -objects} {
    if {[dict exists $option -dict]} {
        set pairs [dict get $option -dict]
    } elseif {[dict exists $option -name]} {
        set pairs [list [dict get $option -name] [dict get $option -value]]
    } else {
        set words [lassign $words name value]
        set pairs [list $name $value]
    }
    set objects [concat {*}$words [standin::given $option -objects]]
    if {![llength $objects]} {
        standin::refuse "Common 17-161" "Invalid option value specified for 'objects': no objects given."
    }
    foreach object $objects {
        if {[string match ipx/* $object]} {packager::set_on $object $pairs} else {project::set_on $object $pairs}
    }
}

standin::command get_property {-quiet} {} {
    lassign $words name object
    set value [expr {[string match ipx/* $object] ? [packager::get_from $name $object]
        : [project::get_from [string toupper $name] $object]}]
    if {$value eq "\0"} {standin::refuse "Common 17-54" "The object '$object' does not have a property '$name'."}
    return $value
}

proc project::set_on {object pairs} {
    variable values
    set cell [string trimleft $object /]
    if {[string match /* $object] && [dict exists $design::cells $cell]} {
        design::configure $cell $pairs
        return
    }
    variable used_in
    foreach {name value} $pairs {
        set key [string tolower $name]
        if {[file extension $object] eq ".xdc" && $key eq "used_in"} {
            foreach step $value {
                if {$step ni {synthesis implementation out_of_context simulation}} {
                    standin::refuse "Common 17-161" "Invalid value '$step' of the property USED_IN."
                }
            }
            dict set used_in [file tail $object] $value
        } elseif {$object in [runs::names] && $key eq "strategy"} {
            runs::strategy $object $value
        } elseif {$object in [runs::names] && [regexp {^steps\.(\w+)\.tcl\.(pre|post)$} $key -> step side]} {
            runs::hook $object $step $side $value
        } elseif {$object eq [set ::project::name] && $key eq "board_part"} {
            board $value
        } elseif {($object eq [set ::project::name] && $key eq "ip_repo_paths")
            || ($object eq "sources_1" && $key eq "top")} {
            dict set values $key $value
        } else {
            standin::refuse "Common 17-54" "The object '$object' does not have a property '$name'."
        }
    }
}

proc project::get_from {name object} {
    variable values
    if {$object in [runs::names]} {return [runs::property $object $name]}
    set key [string tolower $name]
    if {$object in [list $project::name sources_1] && [dict exists $values $key]} {return [dict get $values $key]}
    if {[string match CONFIG.* $name] && [dict exists $design::cells [string trimleft $object /]]} {
        set config [dict get $design::cells [string trimleft $object /] config]
        if {[dict exists $config [string range $name 7 end]]} {return [dict get $config [string range $name 7 end]]}
    }
    return "\0"
}

proc project::board {board} {
    variable values
    variable boards
    set part [dict get $values part]
    if {[standin::fails board] || ![dict exists $boards $board]} {
        standin::refuse "Board 49-71" "The board_part definition was not found for $board. The project's board_part\
            property was not set, but the project's part property was set to $part. Valid board_part values can be\
            retrieved with the 'get_board_parts' Tcl command. Check if board.repoPaths parameter is set and the\
            board_part is installed from the tcl app store."
    }
    if {[lindex [dict get $boards $board] 0] ne $part} {
        standin::refuse "Project 1-1" "The board $board has the part [lindex [dict get $boards $board] 0], but the\
            project $part"
    }
    dict set values board_part $board
}

# What a board's preset sets: it also turns on a second master, as the real ones do.
proc project::preset {} {
    variable values
    variable boards
    set high [lindex [dict get $boards [dict get $values board_part]] 1]
    return [list PSU__PRESET_APPLIED 1 PSU__DDRC__ENABLE 1 PSU__HIGH_ADDRESS__ENABLE $high \
        PSU__DDR_HIGH_ADDRESS_GUI_ENABLE $high PSU__USE__M_AXI_GP0 1 PSU__USE__M_AXI_GP1 1]
}

proc project::required {} {
    variable name
    if {$name eq ""} {return -level 2 -code error "\[Common 17-53\] User Exception: No open project."}
}

proc project::property {key} {
    variable values
    return [dict get $values $key]
}

proc project::facts {} {
    variable values
    variable name
    variable parts
    return [concat [list name $name] $values [dict get $parts [dict get $values part]] [list \
        synthesis_strategy [runs::property synth_1 STRATEGY] implementation_strategy [runs::property impl_1 STRATEGY]]]
}

proc project::path {args} {
    variable folder
    return [file join [pwd] $folder {*}$args]
}

proc project::bd_file {} {
    variable name
    return [path $name.srcs sources_1 bd $design::name $design::name.bd]
}

proc project::hwh_file {} {
    variable name
    return [path $name.gen sources_1 bd $design::name hw_handoff $design::name.hwh]
}

standin::command get_files {-quiet -norecurse} {-of_objects -filter} {
    set found {}
    foreach pattern $words {
        if {$design::name ne "" && [string match $pattern [file tail [project::bd_file]]]
            && [file exists [project::bd_file]]} {
            lappend found [project::bd_file]
        }
        foreach path $project::sources {
            if {[string match $pattern [file tail $path]]} {lappend found $path}
        }
    }
    if {![llength $found]} {standin::say "WARNING: \[Vivado 12-818\] No files matched '$words'"}
    return $found
}

standin::command generate_target {-force -quiet} {} {
    if {[lindex $words 0] ni {all synthesis} || [llength $words] != 2
        || [lindex $words 1] ne [list [project::bd_file]]} {
        standin::refuse "Vivado 12-172" "File or Directory '[lrange $words 1 end]' does not exist"
    }
    if {!$design::validated} {standin::refuse "BD 41-1029" "The block design was changed after its last validation."}
    project::generate
}

# Output products: hardware description and the model from which the helpers write all else.
proc project::generate {} {
    variable generated 1
    standin::write_file [path standin.json] "[design::as_json]\n"
    file mkdir [file dirname [hwh_file]]
    standin::python vivado_hwh.py [path standin.json] [hwh_file]
    standin::say "INFO: \[BD 41-1662\] The design '$design::name.bd' is already validated. Therefore parameter\
        propagation will not be re-run."
    standin::say "Wrote  : <[hwh_file]>"
}

standin::command make_wrapper {-top -import -force -testbench} {-files -fileset} {
    if {[standin::given $option -files] ne [list [project::bd_file]]} {
        standin::refuse "Vivado 12-172" "make_wrapper: no block design '[standin::given $option -files]'"
    }
    set path [project::path $project::name.gen sources_1 bd $design::name hdl ${design::name}_wrapper.v]
    standin::write_file $path "module ${design::name}_wrapper;\nendmodule\n"
    return $path
}

standin::command add_files {-norecurse -quiet} {-fileset} {
    if {[standin::given $option -fileset sources_1] ni {sources_1 constrs_1 sim_1}} {
        standin::refuse "Common 17-161" "Invalid option value '[dict get $option -fileset]' specified for 'fileset'."
    }
    foreach path [concat {*}$words] {
        if {![file exists $path]} {standin::refuse "Vivado 12-172" "File or Directory '$path' does not exist"}
        lappend project::sources $path
    }
    return $words
}

standin::command update_compile_order {-quiet} {-fileset} {
    if {[standin::given $option -fileset sources_1] ne "sources_1"} {
        standin::refuse "Common 17-161" "Invalid option value '[dict get $option -fileset]' specified for 'fileset'."
    }
}

# Cells of the block design: created, configured, looked up; boards' presets; the IP repository.

namespace eval design {
    variable name ""
    variable cells {}
    variable validated 0
}

standin::command create_bd_design {} {-dir} {
    project::required
    if {[llength $words] != 1} {standin::refuse "Common 17-163" "Missing value for option 'name' of create_bd_design"}
    set design::name [lindex $words 0]
    standin::say "Wrote  : <[project::bd_file]>"
    return [project::bd_file]
}

standin::command save_bd_design {} {} {
    standin::write_file [project::bd_file] "[design::as_json]\n"
    standin::say "Wrote  : <[project::bd_file]>"
}

standin::command update_ip_catalog {-rebuild} {-repo_path} {
    set catalog::repository {}
    foreach path [project::property ip_repo_paths] {
        if {![file isdirectory $path]} {
            standin::say "WARNING: \[IP_Flow 19-2207\] Repository path $path does not exist."
            continue
        }
        foreach component [concat [glob -nocomplain [file join $path component.xml]] \
            [glob -nocomplain [file join $path * component.xml]]] {
            if {[catch {standin::python vivado_ipxact.py $component} description]} {
                standin::refuse "IP_Flow 19-1663" "Failed to read $component: $description"
            }
            dict set catalog::repository [dict get $description vlnv] $description
        }
    }
    standin::say "INFO: \[IP_Flow 19-1704\] No user IP repositories specified"
}

standin::command get_ipdefs {-all -quiet -regexp} {-filter} {
    set found {}
    foreach pattern [expr {[llength $words] ? $words : "*"}] {
        foreach vlnv [catalog::vlnvs] {
            if {[string match $pattern $vlnv]} {lappend found $vlnv}
        }
    }
    if {![llength $found] && ![dict exists $option -quiet]} {
        standin::say "WARNING: \[Coretcl 2-175\] No IP definitions matched '$words'"
    }
    return $found
}

standin::command create_bd_cell {} {-type -vlnv -reference} {
    design::required
    set vlnv [standin::given $option -vlnv]
    set cell [lindex $words 0]
    set type [standin::given $option -type]
    set known [expr {$type eq "ip" ? $vlnv in [catalog::vlnvs] : $type eq "inline_hdl" && [catalog::inline $vlnv]}]
    if {!$known} {standin::refuse "BD 5-390" "IP definition not found for VLNV: $vlnv"}
    if {[dict exists $design::cells $cell]} {
        standin::refuse "BD 5-138" "Cell name '$cell' is already in use, please specify a different name"
    }
    dict set design::cells $cell [dict create vlnv $vlnv config [catalog::defaults $vlnv]]
    return /$cell
}

standin::command get_bd_cells {-quiet -hierarchical} {-filter -of_objects} {
    set found {}
    foreach pattern [expr {[llength $words] ? $words : "*"}] {
        foreach cell [dict keys $design::cells [string trimleft $pattern /]] {lappend found /$cell}
    }
    if {![llength $found]} {standin::say "WARNING: \[BD 5-235\] No cells matched 'get_bd_cells $words'"}
    return $found
}

standin::command apply_bd_automation {} {-rule -config} {
    set cell [string trimleft [lindex $words 0] /]
    design::cell_required $cell
    if {[standin::given $option -rule] ne "xilinx.com:bd_rule:zynq_ultra_ps_e"
        || [catalog::kind [dict get $design::cells $cell vlnv]] ne "zynq_ultra_ps_e"} {
        standin::refuse "BD 5-145" "Automation rule [standin::given $option -rule] was not applied to object $cell"
    }
    if {![dict exists [standin::given $option -config] apply_board_preset]
        || [dict get [standin::given $option -config] apply_board_preset] ne "1"} return
    if {[project::property board_part] eq ""} {
        standin::say "WARNING: \[Stand-in 1-5\] no board is set, so no preset was applied"
        return
    }
    foreach {name value} [project::preset] {dict set design::cells $cell config $name $value}
}

# Sets properties of a cell, all or none: a name that the IP does not have is refused.
proc design::configure {cell pairs} {
    variable cells
    variable validated 0
    set config [dict get $cells $cell config]
    foreach {name value} $pairs {
        set key [string range $name 7 end]
        if {![string match CONFIG.* $name] || ![dict exists $config $key]} {
            standin::refuse "Common 17-54" "The object '/$cell' does not have a property '$name'."
        }
        if {![catalog::check_value $key $value]} {
            standin::refuse "BD 41-1273" "Error running apply_rule for /$cell: the value '$value' is not valid for\
                parameter $key"
        }
        dict set config $key $value
    }
    if {[catalog::kind [dict get $cells $cell vlnv]] eq "zynq_ultra_ps_e"} {set config [real_clock $config]}
    dict set cells $cell config $config
}

# Clocks come from a PLL by whole divisors (UG1085, "Clock generator programming"): what is asked is not what comes.
proc design::real_clock {config} {
    set reference [dict get $config PSU__PSS_REF_CLK__FREQMHZ]
    set pll [expr {$reference * [dict get $config PSU__CRL_APB__IOPLL_CTRL__FBDIV] / 2.0}]
    set divisor [expr {int(ceil($pll / [dict get $config PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ] - 0.01))}]
    dict set config PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0 $divisor
    dict set config PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ [format %.6f [expr {$pll / $divisor}]]
    return $config
}

proc design::required {} {
    variable name
    if {$name eq ""} {standin::refuse "BD 5-104" "A block design must be open to run this command."}
}

proc design::cell_required {cell} {
    variable cells
    if {![dict exists $cells $cell]} {standin::refuse "BD 5-232" "No cell named '$cell'"}
}

proc design::pins {cell} {
    variable cells
    return [catalog::pins [dict get $cells $cell vlnv] [dict get $cells $cell config]]
}

proc design::buses {cell} {
    variable cells
    return [catalog::buses [dict get $cells $cell vlnv] [dict get $cells $cell config]]
}

# One pin or bus by its path, as a dictionary; empty if there is none.
proc design::find {what path} {
    variable cells
    lassign [split [string trimleft $path /] /] cell name
    if {![dict exists $cells $cell]} {return ""}
    foreach item [$what $cell] {
        if {[dict get $item name] eq $name} {return $item}
    }
    return ""
}

# Everything as JSON: for the helpers that write hardware descriptions and reports, and for tests.
proc design::as_json {} {
    variable cells
    variable name
    set all {}
    dict for {cell facts} $cells {
        set items [list name [standin::json_text $cell] vlnv [standin::json_text [dict get $facts vlnv]]]
        lappend items config [standin::json_texts [dict get $facts config]]
        lappend items pins [standin::json_list [lmap pin [pins $cell] {standin::json_texts $pin}]]
        lappend items buses [standin::json_list [lmap bus [buses $cell] {standin::json_texts $bus}]]
        if {[dict exists $catalog::repository [dict get $facts vlnv]]} {
            lappend items component [standin::json_text \
                [dict get $catalog::repository [dict get $facts vlnv] component]]
        }
        lappend all [standin::json_object $items]
    }
    return [standin::json_object [list design [standin::json_text $name] \
        release [standin::json_text $standin::release] \
        project [standin::json_texts [project::facts]] \
        cells [standin::json_list $all] \
        nets [standin::json_list [lmap net [nets::all] {
            standin::json_object [list driver [standin::json_text [lindex $net 0]] \
                sinks [standin::json_list [lmap sink [lrange $net 1 end] {standin::json_text $sink}]]]
        }]] \
        buses [standin::json_list [lmap {master slave} [nets::buses] {
            standin::json_texts [list master $master slave $slave]
        }]] \
        segments [standin::json_list [lmap segment [addresses::mapped] {standin::json_texts $segment}]]]]
}

# validate_bd_design: what Vivado checks, and what a design must keep although Vivado would only warn.

standin::command validate_bd_design {-force} {-design} {
    design::required
    set found [concat [validate::clocks] [validate::resets] [validate::interrupts] [validate::widths] \
        [validate::busses] [validate::processing_system] [validate::address_map]]
    foreach complaint $found {standin::say "ERROR: $complaint"}
    if {[llength $found]} {
        standin::refuse "Common 17-39" "'validate_bd_design' failed due to earlier errors."
    }
    set design::validated 1
}

namespace eval validate {}

# All pins of a kind and direction, as {path pin}.
proc validate::pins {kind dir} {
    set found {}
    foreach cell [dict keys $design::cells] {
        foreach pin [design::pins $cell] {
            if {[dict get $pin kind] eq $kind && [dict get $pin dir] eq $dir} {
                lappend found /$cell/[dict get $pin name]
            }
        }
    }
    return $found
}

proc validate::undriven {kind optional} {
    set missing {}
    foreach path [pins $kind I] {
        if {[lindex [split $path /] 2] in $optional} continue
        set driver [nets::driver_of $path]
        if {$driver eq "" || [dict get [design::find pins $driver] kind] ne $kind} {lappend missing $path}
    }
    return $missing
}

proc validate::clocks {} {
    set missing [undriven clk {}]
    if {![llength $missing]} {return {}}
    return [list "\[BD 41-758\] The following clock pins are not connected to a valid clock source:\
        \n[join $missing \n]"]
}

proc validate::resets {} {
    set missing [undriven rst {aux_reset_in mb_debug_sys_rst}]
    if {![llength $missing]} {return {}}
    return [list "\[BD 41-759\] The input reset pins (listed below) are either not connected or do not have a source\
        port: \n[join $missing \n]"]
}

proc validate::interrupts {} {
    set found {}
    foreach path [undriven_interrupts] {lappend found "\[BD 41-759\] Interrupt input $path has no source"}
    set used {}
    foreach net [nets::all] {lappend used [lindex $net 0]}
    foreach path [pins interrupt O] {
        if {$path ni $used} {lappend found "\[BD 41-759\] Interrupt $path leads nowhere"}
    }
    return $found
}

# A concat between source and sink hides the source's kind, so any driver will do here.
proc validate::undriven_interrupts {} {
    return [lmap path [pins interrupt I] {
        if {[nets::driver_of $path] ne ""} continue
        set path
    }]
}

proc validate::widths {} {
    set found {}
    foreach net [nets::all] {
        set width [expr {abs([dict get [design::find pins [lindex $net 0]] left]) + 1}]
        if {[dict get [design::find pins [lindex $net 0]] left] == -1} {set width 1}
        foreach sink [lrange $net 1 end] {
            set left [dict get [design::find pins $sink] left]
            set needed [expr {$left == -1 ? 1 : $left + 1}]
            if {$needed != $width} {
                lappend found "\[BD 41-235\] Width mismatch when connecting pin: '$sink'($needed) to net\
                    '[lindex $net 0]'($width)"
            }
        }
    }
    # Data inputs that nothing drives would be tied to 0 and read as such.
    foreach cell [dict keys $design::cells] {
        foreach pin [design::pins $cell] {
            set path /$cell/[dict get $pin name]
            if {[dict get $pin kind] eq "undef" && [dict get $pin dir] eq "I" && [dict get $pin name] ne "dcm_locked"
                && [nets::driver_of $path] eq ""} {
                lappend found "\[BD 41-235\] The input $path is not connected"
            }
        }
    }
    return $found
}

# Both ends of a bus run on one clock; every bus leads somewhere.
proc validate::busses {} {
    set found {}
    foreach cell [dict keys $design::cells] {
        foreach bus [design::buses $cell] {
            set path /$cell/[dict get $bus name]
            set peer [nets::peer $path]
            if {$peer eq ""} {
                lappend found "\[BD 41-1031\] The interface pin $path is not connected"
                continue
            }
            if {[dict get $bus mode] ne "MASTER"} continue
            set other [design::find buses $peer]
            set here [nets::driver_of /$cell/[dict get $bus clock]]
            set there [nets::driver_of /[lindex [split $peer /] 1]/[dict get $other clock]]
            if {$here ne $there} {
                lappend found "\[BD 41-237\] Bus Interface property FREQ_HZ does not match between $peer and $path"
            }
        }
    }
    return $found
}

# Ports of the processing system take the width of the masters behind them: anything else converts widths silently.
proc validate::processing_system {} {
    set found {}
    dict for {space masters} [addresses::spaces] {
        foreach master $masters {
            set data [dict get [design::find buses $master] data]
            foreach slave [addresses::slaves_behind $master] {
                set other [design::find buses $slave]
                if {[dict get $other protocol] eq "AXI4" && [dict get $other data] != $data} {
                    lappend found "\[Stand-in 1-2\] $master has $data bits, but $slave [dict get $other data]"
                }
            }
        }
    }
    return $found
}

proc validate::address_map {} {
    set found {}
    set segments [addresses::segments]
    dict for {space masters} [addresses::spaces] {
        set taken [lmap item $addresses::assigned {
            if {[dict get $item space] ne $space} continue
            dict get $item segment
        }]
        dict for {segment facts} $segments {
            if {![addresses::reaches $space [lindex $facts 0]]} continue
            if {$segment ni $taken && [list $space $segment] ni $addresses::excluded} {
                lappend found "\[BD 41-1356\] Slave segment <$segment> is not assigned into address space <$space>.\
                    Please use Address Editor to either assign or exclude it."
            }
            if {$segment in $taken && [lindex $facts 3] eq "MEMORY" && ![string match *_DDR_* $segment]} {
                lappend found "\[Stand-in 1-3\] $space reaches $segment, which is no DDR"
            }
        }
        if {![llength $taken]} {lappend found "\[Stand-in 1-4\] nothing is mapped into $space"}
    }
    return $found
}

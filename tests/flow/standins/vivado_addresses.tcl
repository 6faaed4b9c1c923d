# Address spaces of masters, segments of slaves, and which segment is mapped into which space.

namespace eval addresses {
    variable assigned {}
    variable excluded {}
}

# Segments of the block design: path -> {bus offset range kind}. The processing system's are named by its port.
proc addresses::segments {} {
    set all {}
    dict for {cell facts} $design::cells {
        set config [dict get $facts config]
        switch -- [catalog::kind [dict get $facts vlnv]] {
            zynq_ultra_ps_e {
                foreach {interface number} [catalog::ps_slaves] {
                    if {![dict get $config PSU__USE__S_AXI_GP$number]} continue
                    set port [lindex [split $interface _] 2]
                    foreach {segment offset range} [memory $config] {
                        dict set all /$cell/SAXIGP$number/${port}_$segment \
                            [list /$cell/$interface $offset $range MEMORY]
                    }
                }
            }
            axi_intc {dict set all /$cell/S_AXI/Reg [list /$cell/s_axi 0 0x10000 REGISTER]}
            axi_gpio {dict set all /$cell/S_AXI/Reg [list /$cell/S_AXI 0 0x10000 REGISTER]}
            default {
                foreach bus [design::buses $cell] {
                    if {[dict get $bus protocol] eq "AXI4LITE"} {
                        set name [dict get $bus name]
                        dict set all /$cell/$name/Reg [list /$cell/$name 0 0x10000 REGISTER]
                    }
                }
            }
        }
    }
    return $all
}

# What a memory port reaches (UG1085, "System addresses"); memory above 2 GiB only where the board has it.
proc addresses::memory {config} {
    set found {}
    if {[dict get $config PSU__DDRC__ENABLE]} {lappend found DDR_LOW 0x0 0x80000000}
    if {[dict get $config PSU__HIGH_ADDRESS__ENABLE]} {lappend found DDR_HIGH 0x800000000 0x80000000}
    return [concat $found {QSPI 0xC0000000 0x20000000 PCIE_LOW 0xE0000000 0x10000000 LPS_OCM 0xFF000000 0x1000000}]
}

# Address spaces: path -> master bus.
proc addresses::spaces {} {
    set all {}
    dict for {cell facts} $design::cells {
        foreach bus [design::buses $cell] {
            if {[dict get $bus space] ne ""} {dict lappend all /$cell/[dict get $bus space] /$cell/[dict get $bus name]}
        }
    }
    return $all
}

standin::command get_bd_addr_spaces {-quiet} {-of_objects -filter} {
    set found {}
    foreach pattern $words {
        lappend found {*}[dict keys [addresses::spaces] /[string trimleft $pattern /]]
    }
    if {![llength $found]} {standin::say "WARNING: \[BD 5-235\] No address spaces matched '$words'"}
    return $found
}

standin::command get_bd_addr_segs {-quiet -excluded -regexp} {-of_objects -filter} {
    set found {}
    foreach pattern $words {
        lappend found {*}[dict keys [addresses::segments] /[string trimleft $pattern /]]
    }
    if {![llength $found]} {standin::say "WARNING: \[BD 5-235\] No address segments matched '$words'"}
    return $found
}

standin::command assign_bd_address {-force -import_from_file} {-offset -range -target_address_space} {
    addresses::check $option $words
    set space [dict get $option -target_address_space]
    foreach segment $words {
        lassign [dict get [addresses::segments] $segment] bus offset range kind
        if {$kind eq "MEMORY" && [dict exists $option -offset] && [dict get $option -offset] != $offset} {
            standin::refuse "BD 41-70" "The offset of $segment is fixed at $offset"
        }
        set offset [standin::given $option -offset $offset]
        set range [standin::given $option -range $range]
        if {$offset % $range != 0 && $kind eq "REGISTER"} {
            standin::refuse "BD 41-1267" "Offset $offset is not aligned to the range $range of $segment"
        }
        foreach other $addresses::assigned {
            set first [dict get $other offset]
            if {[dict get $other space] eq $space && $offset < $first + [dict get $other range]
                && $first < $offset + $range} {
                standin::refuse "BD 41-1051" "Segment $segment overlaps [dict get $other segment] in $space"
            }
        }
        lappend addresses::assigned [dict create space $space segment $segment bus $bus offset $offset range $range \
            kind $kind]
        standin::say "Slave segment '$segment' is being assigned into address space '$space' at <[standin::hexadecimal \
            $offset] \[ [expr {$range >> 10}]K \]>."
    }
}

standin::command exclude_bd_addr_seg {} {-offset -range -target_address_space} {
    addresses::check $option $words
    foreach segment $words {
        lappend addresses::excluded [list [dict get $option -target_address_space] $segment]
        standin::say "INFO: \[BD 41-1051\] Excluding slave segment $segment from address space [dict get $option \
            -target_address_space]"
    }
}

proc addresses::check {option words} {
    if {![llength $words]} {
        return -level 2 -code error "\[BD 5-106\] Arguments to the command cannot be empty: no address segment given."
    }
    set space [standin::given $option -target_address_space]
    if {$space eq ""} {
        return -level 2 -code error "\[Stand-in 1-1\] -target_address_space is missing or names no space"
    }
    foreach segment $words {
        if {![dict exists [segments] $segment]} {
            return -level 2 -code error "\[BD 5-232\] No address segment matched '$segment'"
        }
        if {![reaches $space [lindex [dict get [segments] $segment] 0]]} {
            return -level 2 -code error "\[BD 41-1075\] Cannot map slave segment '$segment' into address space\
                '$space': there is no path from the master to the slave"
        }
    }
}

# True if a master of this space is wired to this slave, through SmartConnects or at once.
proc addresses::reaches {space slave} {
    if {![dict exists [spaces] $space]} {return 0}
    foreach master [dict get [spaces] $space] {
        if {$slave in [slaves_behind $master]} {return 1}
    }
    return 0
}

proc addresses::slaves_behind {master} {
    set slave [nets::peer $master]
    if {$slave eq ""} {return {}}
    set cell [lindex [split $slave /] 1]
    if {[catalog::kind [dict get $design::cells $cell vlnv]] ne "smartconnect"} {return [list $slave]}
    set found {}
    foreach bus [design::buses $cell] {
        if {[dict get $bus mode] eq "MASTER"} {lappend found {*}[slaves_behind /$cell/[dict get $bus name]]}
    }
    return $found
}

proc standin::hexadecimal {value} {
    return [format 0x%08llX $value]
}

# Mapped segments with the master bus that reaches each: for hardware descriptions and for tests.
proc addresses::mapped {} {
    variable assigned
    set all {}
    foreach item $assigned {
        foreach master [dict get [spaces] [dict get $item space]] {
            if {[dict get $item bus] ni [slaves_behind $master]} continue
            lappend all [list master $master slave [dict get $item bus] segment [dict get $item segment] \
                kind [dict get $item kind] base [standin::hexadecimal [dict get $item offset]] \
                high [standin::hexadecimal [expr {[dict get $item offset] + [dict get $item range] - 1}]]]
        }
    }
    return $all
}

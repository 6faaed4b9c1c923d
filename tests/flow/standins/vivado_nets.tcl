# Nets of the block design: pins with one driver and many sinks, buses with one master and one slave.

namespace eval nets {
    variable driver {}
    variable slave_of {}
}

standin::command get_bd_pins {-quiet} {-of_objects -filter} {return [nets::lookup pins $words]}
standin::command get_bd_intf_pins {-quiet} {-of_objects -filter} {return [nets::lookup buses $words]}

# Like Vivado, a look-up that finds nothing warns and returns nothing; what is then done with nothing fails.
proc nets::lookup {what paths} {
    set found {}
    foreach path $paths {
        if {[design::find $what $path] eq ""} {
            standin::say "WARNING: \[BD 5-[expr {$what eq "pins" ? 235 : 236}]\] No [expr {$what eq "pins" ? "pins" :
                "interface pins"}] matched 'get_bd_[expr {$what eq "pins" ? "pins" : "intf_pins"}] $path'"
        } else {
            lappend found /[string trimleft $path /]
        }
    }
    return $found
}

standin::command connect_bd_net {} {-net} {
    set pins [concat {*}$words]
    if {[llength $pins] < 2} {
        standin::refuse "BD 5-106" "Arguments to the connect_bd_net command cannot be empty."
    }
    set drivers {}
    set sinks {}
    foreach path $pins {
        set pin [design::find pins $path]
        if {$pin eq ""} {standin::refuse "BD 5-232" "No interface pins or pins matched '$path'"}
        if {[dict get $pin dir] eq "O"} {lappend drivers $path} else {lappend sinks $path}
    }
    if {[llength $drivers] != 1} {
        standin::refuse "BD 41-1306" "The connection needs one driver, but has [llength $drivers]: $pins"
    }
    foreach sink $sinks {
        if {[dict exists $nets::driver $sink] && [dict get $nets::driver $sink] ne $drivers} {
            standin::refuse "BD 5-117" "The pin $sink is already connected to [dict get $nets::driver $sink]"
        }
        dict set nets::driver $sink [lindex $drivers 0]
    }
    set design::validated 0
    return [string map {/ _} [string range [lindex $drivers 0] 1 end]]
}

standin::command connect_bd_intf_net {} {-intf_net} {
    set pins [concat {*}$words]
    if {[llength $pins] != 2} {
        standin::refuse "BD 5-106" "Arguments to the connect_bd_intf_net command cannot be empty."
    }
    set master ""
    set slave ""
    foreach path $pins {
        set bus [design::find buses $path]
        if {$bus eq ""} {standin::refuse "BD 5-232" "No interface pins matched '$path'"}
        if {[dict get $bus mode] eq "MASTER"} {set master $path} else {set slave $path}
    }
    if {$master eq "" || $slave eq ""} {
        standin::refuse "BD 41-171" "The modes of the interface pins [join $pins " and "] are the same: cannot connect"
    }
    foreach path $pins {
        if {$path in $nets::slave_of} {standin::refuse "BD 5-118" "The interface pin $path is already connected"}
    }
    dict set nets::slave_of $master $slave
    set design::validated 0
    return [string map {/ _} [string range $master 1 end]]
}

# Nets as lists: driver, then its sinks, in the order in which they were made.
proc nets::all {} {
    variable driver
    set by_driver {}
    dict for {sink source} $driver {dict lappend by_driver $source $sink}
    set found {}
    dict for {source sinks} $by_driver {lappend found [concat [list $source] $sinks]}
    return $found
}

proc nets::buses {} {
    variable slave_of
    return $slave_of
}

proc nets::driver_of {pin} {
    variable driver
    return [expr {[dict exists $driver $pin] ? [dict get $driver $pin] : ""}]
}

# The slave of a master, the master of a slave, or "".
proc nets::peer {path} {
    variable slave_of
    dict for {master slave} $slave_of {
        if {$master eq $path} {return $slave}
        if {$slave eq $path} {return $master}
    }
    return ""
}

# What all parts of the stand-in share: log, messages, options of vendor commands, JSON, calls of the Python helpers.

namespace eval vendor {}

proc standin::now {} {
    return [clock format [clock seconds] -format "%a %b %d %H:%M:%S %Y"]
}

proc standin::open_log {options} {
    variable log
    if {![dict exists $options -nolog]} {
        set log [open [dict get $options -log] w]
        fconfigure $log -buffering line
    }
    if {![dict exists $options -nojournal]} {
        close [open vivado.jou w]
    }
    fconfigure stdout -buffering line
}

proc standin::say {text} {
    variable log
    puts stdout $text
    if {$log ne ""} {puts $log $text}
}

# `puts` of a script: what goes to the terminal goes to the log too; files are the script's own affair.
proc standin::script_puts {args} {
    if {[llength $args] == 1} {
        say [lindex $args 0]
    } elseif {[lindex $args 0] eq "stdout"} {
        say [lindex $args 1]
    } else {
        interp invokehidden script puts {*}$args
    }
}

# Which failure to play: EDGEMOE_STANDIN_FAIL=vivado:<kind>; vivado:timing:<MHz> meets clocks up to that one.
proc standin::read_failure {} {
    variable fail
    if {![info exists ::env(EDGEMOE_STANDIN_FAIL)]} return
    set parts [split $::env(EDGEMOE_STANDIN_FAIL) :]
    if {[lindex $parts 0] ne "vivado" || [lindex $parts 1] eq ""} return
    set fail [lindex $parts 1]
    variable limit_mhz [expr {[llength $parts] > 2 ? [lindex $parts 2] : 0}]
    if {$fail ni {licence crash disk nobit timing board hang packaging}} {
        puts stderr "the stand-in of Vivado knows no failure '$fail'"
        exit 70
    }
}

proc standin::fails {kind} {
    variable fail
    return [expr {$fail eq $kind}]
}

# Raises a vendor error: identifier and text, as they stand in a log after "ERROR: ".
proc standin::refuse {identifier text} {
    return -level 2 -code error "\[$identifier\] $text"
}

# Declares a vendor command. `flags` and `values` are its options without and with a value (UG835); the body sees them
# in `option`, a dictionary, and the other words in `words`. An option that is not listed is refused as Vivado does.
proc standin::command {name flags values body} {
    variable commands
    lappend commands $name
    proc ::vendor::$name {args} "
        lassign \[standin::options $name [list $flags] [list $values] \$args\] option words
        $body
    "
}

proc standin::options {name flags values arguments} {
    set option {}
    set words {}
    while {[llength $arguments]} {
        set arguments [lassign $arguments word]
        if {![regexp {^-[a-z_]+$} $word]} {
            lappend words $word
        } elseif {$word in $flags} {
            dict set option $word 1
        } elseif {$word in $values} {
            if {![llength $arguments]} {
                return -level 2 -code error "\[Common 17-157\] Missing value for option '$word' of '$name'"
            }
            set arguments [lassign $arguments value]
            dict set option $word $value
        } else {
            return -level 2 -code error "\[Common 17-170\] Unknown option '$word', please type '$name -help' for usage\
                info."
        }
    }
    return [list $option $words]
}

proc standin::given {option name {default ""}} {
    return [expr {[dict exists $option $name] ? [dict get $option $name] : $default}]
}

# Runs a Python helper beside this file; returns what it prints. Its error text becomes a vendor error.
proc standin::python {helper args} {
    variable python
    variable folder
    return [exec -ignorestderr -- $python -S -E -B [file join $folder $helper] {*}$args]
}

proc standin::json_text {text} {
    return "\"[string map {\\ \\\\ \" \\\" \n \\n \t \\t} $text]\""
}

proc standin::json_list {items} {
    return "\[[join $items ,]\]"
}

# An object of name -> JSON text.
proc standin::json_object {pairs} {
    set items {}
    foreach {name value} $pairs {lappend items "[json_text $name]:$value"}
    return "{[join $items ,]}"
}

# An object of name -> plain text.
proc standin::json_texts {pairs} {
    set items {}
    foreach {name value} $pairs {lappend items $name [json_text $value]}
    return [json_object $items]
}

proc standin::write_file {path text} {
    file mkdir [file dirname $path]
    set channel [open $path w]
    puts -nonewline $channel $text
    close $channel
}

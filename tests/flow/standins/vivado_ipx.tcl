# The IP packager: a core of buses, address spaces, memory maps and registers (UG835, commands "ipx::"; UG1118).
# Objects are words "ipx/<kind>/<path>"; each has the properties of its kind and no others. What the core says is
# checked against the Verilog that it packages when it is saved, by vivado_package.py.

namespace eval vendor::ipx {}
namespace eval packager {
    variable objects {}  ;# object -> properties
    variable core ""
    variable root ""
    variable saved 0
    # Properties by kind, with their defaults.
    variable kinds {
        core {vendor "" library "" name "" version 1.0 core_revision 1 display_name "" description "" taxonomy ""}
        bus {name "" bus_type_vlnv "" abstraction_type_vlnv "" interface_mode slave master_address_space_ref ""
            slave_memory_map_ref ""}
        portmap {name "" physical_name ""}
        parameter {name "" value "" value_resolve_type immediate}
        space {name "" range 4G width 32}
        map {name ""}
        block {name "" base_address 0 range 4096 width 32 usage "" access read-write}
        register {name "" display_name "" description "" address_offset 0 size 32 access read-write}
        field {name "" description "" bit_offset 0 bit_width 1 access read-write}
    }
    variable commands {}
}

proc packager::required {} {
    variable core
    if {$core eq ""} {return -level 2 -code error "\[IP_Flow 19-3461\] No IP core is open for packaging."}
}

proc packager::kind {object} {return [lindex [split $object /] 1]}

proc packager::exists {object} {
    variable objects
    return [dict exists $objects $object]
}

proc packager::add {kind parent name} {
    variable objects
    variable kinds
    if {![exists $parent]} {standin::refuse "IP_Flow 19-3461" "There is no object '$parent' to add '$name' to."}
    set object ipx/$kind/[join [lrange [split $parent /] 2 end] /]/$name
    if {[exists $object]} {standin::refuse "IP_Flow 19-4963" "The $kind '$name' exists already."}
    dict set objects $object [dict merge [dict get $kinds $kind] [dict create name $name]]
    return $object
}

# Objects of a kind below another one: all, or the named ones.
proc packager::below {kind names parent} {
    variable objects
    if {![exists $parent]} {standin::refuse "IP_Flow 19-3461" "There is no object '$parent'."}
    set start ipx/$kind/[join [lrange [split $parent /] 2 end] /]/
    set found {}
    foreach object [dict keys $objects $start*] {
        set name [string range $object [string length $start] end]
        if {[string first / $name] >= 0} continue
        if {![llength $names] || [lsearch -exact $names $name] >= 0} {lappend found $object}
    }
    return $found
}

proc packager::remove {kind name parent} {
    variable objects
    set found [below $kind [list $name] $parent]
    if {![llength $found]} {standin::refuse "IP_Flow 19-3461" "There is no $kind '$name'."}
    set inner [join [lrange [split $found /] 2 end] /]
    foreach object [dict keys $objects] {
        if {$object eq $found || [string match "$inner/*" [join [lrange [split $object /] 2 end] /]]} {
            dict unset objects $object
        }
    }
}

proc packager::set_on {object pairs} {
    variable objects
    if {![exists $object]} {standin::refuse "Common 17-161" "There is no object '$object'."}
    foreach {name value} $pairs {
        set key [string tolower $name]
        if {![dict exists $objects $object $key]} {
            standin::refuse "Common 17-54" "The object '$object' does not have a property '$name'."
        }
        dict set objects $object $key $value
    }
}

proc packager::get_from {name object} {
    variable objects
    set key [string tolower $name]
    return [expr {[dict exists $objects $object $key] ? [dict get $objects $object $key] : "\0"}]
}

# The helper's description of the project: what it packages, and what the core says.
proc packager::as_json {} {
    variable objects
    variable root
    set said {}
    dict for {object properties} $objects {lappend said $object [standin::json_texts $properties]}
    set files {}
    foreach path $project::sources {lappend files [standin::json_text [file normalize $path]]}
    return [standin::json_object [list root [standin::json_text [file normalize $root]] \
        top [standin::json_text [project::property top]] sources [standin::json_list $files] \
        used_in [standin::json_texts $project::used_in] objects [standin::json_object $said]]]
}

proc packager::helper {what} {
    set path [project::path package.json]
    standin::write_file $path "[as_json]\n"
    if {[catch {standin::python vivado_package.py $what $path} said]} {
        standin::refuse "IP_Flow 19-3166" [string trim $said]
    }
    return $said
}

standin::command ipx::package_project {-import_files -force} {-root_dir -vendor -library -taxonomy -set_current} {
    project::required
    if {[dict exists $option -import_files]} {standin::refuse "Common 17-170" "the stand-in imports no files"}
    set packager::root [standin::given $option -root_dir]
    if {![file isdirectory $packager::root]} {
        standin::refuse "IP_Flow 19-3461" "The directory '$packager::root' does not exist."
    }
    set packager::core ipx/core/core
    set packager::objects [dict create ipx/core/core [dict merge [dict get $packager::kinds core] [dict create \
        vendor [standin::given $option -vendor user.org] library [standin::given $option -library user] \
        name [project::property top] taxonomy [standin::given $option -taxonomy]]]]
    # What it infers of the names of ports: the script is to say all of it itself.
    foreach {kind name} [packager::helper infer] {packager::add $kind $packager::core $name}
    return $packager::core
}

standin::command ipx::current_core {} {} {
    packager::required
    return $packager::core
}

# Commands that add, look up and remove: kind of object, plural of the looking-up command.
foreach {single plural kind} {
    bus_interface bus_interfaces bus
    port_map port_maps portmap
    bus_parameter bus_parameters parameter
    address_space address_spaces space
    memory_map memory_maps map
    address_block address_blocks block
    register registers register
    field fields field
} {
    standin::command ipx::add_$single {} {} [string map [list KIND $kind SINGLE $single] {
        packager::required
        if {[llength $words] != 2} {
            standin::refuse "Common 17-163" "ipx::add_SINGLE takes a name and an object, not '$words'"
        }
        return [packager::add KIND [lindex $words 1] [lindex $words 0]]
    }]
    standin::command ipx::get_$plural {-quiet} {-of_objects} [string map [list KIND $kind] {
        packager::required
        return [packager::below KIND $words [standin::given $option -of_objects $packager::core]]
    }]
    standin::command ipx::remove_$single {} {} [string map [list KIND $kind] {
        packager::required
        packager::remove KIND [lindex $words 0] [lindex $words 1]
    }]
}

foreach name {create_xgui_files update_checksums check_integrity} {
    standin::command ipx::$name {-quiet} {} [string map [list NAME $name] {
        packager::required
        if {$words ne "" && $words ne $packager::core} {standin::refuse "IP_Flow 19-3461" "There is no core '$words'."}
        if {"NAME" eq "create_xgui_files"} {
            set file "[packager::get_from name $packager::core]_v[string map {. _} [packager::get_from version \
                $packager::core]].tcl"
            standin::write_file [file join $packager::root xgui $file] "proc init_gui {} {}\n"
        }
        if {"NAME" eq "check_integrity"} {packager::helper check}
        return 1
    }]
}

standin::command ipx::save_core {-quiet} {} {
    packager::required
    if {$words ne "" && $words ne $packager::core} {standin::refuse "IP_Flow 19-3461" "There is no core '$words'."}
    if {[standin::fails packaging]} {
        standin::say "INFO: \[IP_Flow 19-5107\] Inferred bus interfaces"
        exec sleep 86400 &
        vwait packager::never
    }
    packager::helper write
    standin::say "INFO: \[IP_Flow 19-795\] Syncing license key meta-data"
}

standin::command close_project {-delete -quiet} {} {
    project::required
    set project::name ""
    set packager::core ""
}

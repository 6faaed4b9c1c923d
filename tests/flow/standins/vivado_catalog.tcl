# The IP catalogue: what each IP is, which properties it takes, and which pins and buses it has as configured.
# Pins: dictionaries of name, dir (I or O), left (-1: one bit, no range), kind (clk, rst, interrupt, undef).
# Buses: name, mode (MASTER or SLAVE), protocol, data, address (bits), clock, reset (pins), space (of a master), ports
# (start of the names of its physical ports).

namespace eval catalog {
    variable repository {}
}

# Version of each vendor IP by release; the processing system as in real hardware descriptions: 3.3, 3.4 (2022.1), 3.5.
proc catalog::versions {} {
    set release $standin::release
    set ps 3.5
    if {[package vcompare $release 2023.1] < 0} {set ps 3.4}
    if {[package vcompare $release 2022.1] < 0} {set ps 3.3}
    set known [list zynq_ultra_ps_e $ps smartconnect 1.0 proc_sys_reset 5.0 axi_intc 4.1 axi_gpio 2.0]
    # When the old utility cells go is not certain; the stand-in plays a release without them as of 2025.2.
    if {[package vcompare $release 2025.2] < 0} {lappend known xlconcat 2.1 xlconstant 1.1}
    return $known
}

# All definitions: vendor's IP, and those that update_ip_catalog found in ip_repo_paths.
proc catalog::vlnvs {} {
    variable repository
    set found {}
    foreach {name version} [versions] {lappend found xilinx.com:ip:$name:$version}
    return [concat $found [dict keys $repository]]
}

proc catalog::inline {vlnv} {
    return [expr {[package vcompare $standin::release 2024.1] >= 0
        && $vlnv in {xilinx.com:inline_hdl:ilconstant:1.0 xilinx.com:inline_hdl:ilconcat:1.0}}]
}

proc catalog::kind {vlnv} {
    return [lindex [split $vlnv :] 2]
}

# Configuration that an IP starts with; no other property exists.
proc catalog::defaults {vlnv} {
    switch -- [kind $vlnv] {
        zynq_ultra_ps_e {return [ps_defaults]}
        smartconnect {return {NUM_SI 2 NUM_MI 1 NUM_CLKS 1 HAS_ARESETN 1 ADVANCED_PROPERTIES 0}}
        proc_sys_reset {
            return {C_EXT_RST_WIDTH 4 C_AUX_RST_WIDTH 4 C_EXT_RESET_HIGH 0 C_AUX_RESET_HIGH 0 C_NUM_BUS_RST 1
                C_NUM_PERP_RST 1 C_NUM_INTERCONNECT_ARESETN 1 C_NUM_PERP_ARESETN 1}
        }
        axi_intc {
            return {C_NUM_INTR_INPUTS 1 C_IRQ_CONNECTION 0 C_IRQ_IS_LEVEL 1 C_IRQ_ACTIVE 0x1 C_KIND_OF_INTR 0x00000000
                C_KIND_OF_EDGE 0xFFFFFFFF C_KIND_OF_LVL 0xFFFFFFFF C_ASYNC_INTR 0xFFFFFFF0 C_HAS_FAST 0 C_HAS_IPR 1}
        }
        axi_gpio {
            return {C_IS_DUAL 0 C_ALL_INPUTS 0 C_ALL_INPUTS_2 0 C_ALL_OUTPUTS 0 C_ALL_OUTPUTS_2 0 C_GPIO_WIDTH 32
                C_GPIO2_WIDTH 32 C_INTERRUPT_PRESENT 0 C_DOUT_DEFAULT 0x00000000 C_TRI_DEFAULT 0xFFFFFFFF}
        }
        xlconcat - ilconcat {return {NUM_PORTS 2 IN0_WIDTH 1 IN1_WIDTH 1}}
        xlconstant - ilconstant {return {CONST_WIDTH 1 CONST_VAL 1}}
        default {
            variable repository
            return [dict get $repository $vlnv parameters]
        }
    }
}

# The processing system without a preset. A preset adds what it knows of the board's clocks and memory.
proc catalog::ps_defaults {} {
    set values {PSU__FPGA_PL0_ENABLE 1 PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ 100
        PSU__CRL_APB__PL0_REF_CTRL__SRCSEL IOPLL PSU__CRL_APB__PL0_REF_CTRL__ACT_FREQMHZ 99.999001
        PSU__CRL_APB__PL0_REF_CTRL__DIVISOR0 15 PSU__CRL_APB__PL0_REF_CTRL__DIVISOR1 1
        PSU__CRL_APB__IOPLL_CTRL__FBDIV 90 PSU__CRL_APB__IOPLL_CTRL__DIV2 1 PSU__CRL_APB__RPLL_CTRL__FBDIV 45
        PSU__CRL_APB__RPLL_CTRL__DIV2 1 PSU__PSS_REF_CLK__FREQMHZ 33.333 PSU__USE__IRQ0 0 PSU__USE__IRQ1 0
        PSU__HIGH_ADDRESS__ENABLE 0 PSU__DDR_HIGH_ADDRESS_GUI_ENABLE 0 PSU__DDRC__ENABLE 0 PSU__PRESET_APPLIED 0
        PSU__USE__M_AXI_GP0 1 PSU__USE__M_AXI_GP1 1 PSU__USE__M_AXI_GP2 0
        PSU__USE__S_AXI_ACP 0 PSU__USE__S_AXI_ACE 0}
    for {set n 1} {$n <= 3} {incr n} {
        lappend values PSU__FPGA_PL${n}_ENABLE 0
        foreach {name value} {FREQMHZ 100 ACT_FREQMHZ 100 SRCSEL RPLL DIVISOR0 4 DIVISOR1 1} {
            lappend values PSU__CRL_APB__PL${n}_REF_CTRL__$name $value
        }
    }
    for {set n 0} {$n <= 6} {incr n} {lappend values PSU__USE__S_AXI_GP$n 0 PSU__SAXIGP${n}__DATA_WIDTH 128}
    for {set n 0} {$n <= 2} {incr n} {lappend values PSU__MAXIGP${n}__DATA_WIDTH [lindex {128 128 32} $n]}
    return $values
}

# Values that a property may take, where PG201 and the IP's own guides limit it.
proc catalog::check_value {name value} {
    switch -glob -- $name {
        PSU__USE__* - PSU__FPGA_PL*_ENABLE - C_IS_DUAL - C_ALL_* - C_IRQ_CONNECTION {return [expr {$value in {0 1}}]}
        PSU__*AXIGP*__DATA_WIDTH {return [expr {$value in {32 64 128}}]}
        PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ {
            return [expr {[string is double -strict $value] && $value > 0 && $value <= 600}]
        }
        NUM_SI - NUM_MI {return [expr {[string is integer -strict $value] && $value >= 1 && $value <= 16}]}
        NUM_PORTS {return [expr {[string is integer -strict $value] && $value >= 1 && $value <= 128}]}
        C_GPIO_WIDTH - C_GPIO2_WIDTH {return [expr {[string is integer -strict $value] && $value >= 1 && $value <= 32}]}
        default {return 1}
    }
}

proc catalog::pin {name dir {left -1} {kind undef}} {
    return [dict create name $name dir $dir left $left kind $kind]
}

proc catalog::bus {name mode protocol data address clock reset ports {space ""}} {
    return [dict create name $name mode $mode protocol $protocol data $data address $address clock $clock reset $reset \
        ports $ports space $space]
}

# Numbers of the slave ports: name of the pin -> number of S_AXI_GPn (PG201, table of PL-PS interfaces).
proc catalog::ps_slaves {} {
    return {S_AXI_HPC0_FPD 0 S_AXI_HPC1_FPD 1 S_AXI_HP0_FPD 2 S_AXI_HP1_FPD 3 S_AXI_HP2_FPD 4 S_AXI_HP3_FPD 5}
}

proc catalog::ps_buses {config} {
    set buses {}
    foreach {name number} {M_AXI_HPM0_FPD 0 M_AXI_HPM1_FPD 1 M_AXI_HPM0_LPD 2} {
        if {![dict get $config PSU__USE__M_AXI_GP$number]} continue
        lappend buses [bus $name MASTER AXI4 [dict get $config PSU__MAXIGP${number}__DATA_WIDTH] 40 \
            maxi[string tolower [string range $name 6 end]]_aclk "" maxigp$number Data]
    }
    foreach {name number} [ps_slaves] {
        if {![dict get $config PSU__USE__S_AXI_GP$number]} continue
        lappend buses [bus $name SLAVE AXI4 [dict get $config PSU__SAXIGP${number}__DATA_WIDTH] 49 \
            saxi[string tolower [string range $name 6 end]]_aclk "" saxigp$number]
    }
    return $buses
}

proc catalog::buses {vlnv config} {
    variable repository
    switch -- [kind $vlnv] {
        zynq_ultra_ps_e {return [ps_buses $config]}
        smartconnect {
            set buses {}
            for {set n 0} {$n < [dict get $config NUM_SI]} {incr n} {
                set name [format S%02d_AXI $n]
                lappend buses [bus $name SLAVE AXI4 0 0 aclk aresetn $name]
            }
            for {set n 0} {$n < [dict get $config NUM_MI]} {incr n} {
                set name [format M%02d_AXI $n]
                lappend buses [bus $name MASTER AXI4 0 0 aclk aresetn $name]
            }
            return $buses
        }
        axi_intc {return [list [bus s_axi SLAVE AXI4LITE 32 9 s_axi_aclk s_axi_aresetn s_axi]]}
        axi_gpio {return [list [bus S_AXI SLAVE AXI4LITE 32 9 s_axi_aclk s_axi_aresetn s_axi]]}
        proc_sys_reset - xlconcat - xlconstant - ilconcat - ilconstant {return {}}
        default {return [dict get $repository $vlnv buses]}
    }
}

proc catalog::pins {vlnv config} {
    variable repository
    switch -- [kind $vlnv] {
        zynq_ultra_ps_e {
            set pins [list [pin pl_clk0 O -1 clk] [pin pl_resetn0 O -1 rst]]
            if {[dict get $config PSU__FPGA_PL1_ENABLE]} {lappend pins [pin pl_clk1 O -1 clk]}
            foreach number {0 1} {
                if {[dict get $config PSU__USE__IRQ$number]} {lappend pins [pin pl_ps_irq$number I 0 interrupt]}
            }
            foreach bus [buses $vlnv $config] {lappend pins [pin [dict get $bus clock] I -1 clk]}
            return $pins
        }
        smartconnect {return [list [pin aclk I -1 clk] [pin aresetn I -1 rst]]}
        proc_sys_reset {
            set pins [list [pin slowest_sync_clk I -1 clk]]
            foreach name {ext_reset_in aux_reset_in mb_debug_sys_rst} {lappend pins [pin $name I -1 rst]}
            lappend pins [pin dcm_locked I] [pin mb_reset O -1 rst]
            foreach name {bus_struct_reset peripheral_reset interconnect_aresetn peripheral_aresetn} {
                lappend pins [pin $name O 0 rst]
            }
            return $pins
        }
        axi_intc {
            return [list [pin s_axi_aclk I -1 clk] [pin s_axi_aresetn I -1 rst] [pin intr I 0 interrupt] \
                [pin irq O -1 interrupt]]
        }
        axi_gpio {
            set pins [list [pin s_axi_aclk I -1 clk] [pin s_axi_aresetn I -1 rst]]
            foreach {channel width inputs used} [list gpio C_GPIO_WIDTH C_ALL_INPUTS 1 \
                gpio2 C_GPIO2_WIDTH C_ALL_INPUTS_2 [dict get $config C_IS_DUAL]] {
                if {!$used} continue
                set left [expr {[dict get $config $width] - 1}]
                lappend pins [pin ${channel}_io_i I $left]
                if {![dict get $config $inputs]} {
                    lappend pins [pin ${channel}_io_o O $left] [pin ${channel}_io_t O $left]
                }
            }
            return $pins
        }
        xlconcat - ilconcat {
            set count [dict get $config NUM_PORTS]
            set pins {}
            for {set n 0} {$n < $count} {incr n} {lappend pins [pin In$n I 0]}
            return [lappend pins [pin dout O [expr {$count - 1}]]]
        }
        xlconstant - ilconstant {return [list [pin dout O [expr {[dict get $config CONST_WIDTH] - 1}]]]}
        default {return [dict get $repository $vlnv pins]}
    }
}

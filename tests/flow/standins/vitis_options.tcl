# Options of the Vitis HLS commands that the stand-in knows, each with its kind and the first release that takes it.
# Kinds: flag, bool (-x or -x=true|false), int, text, or the words that are allowed. From UG1399 of 2020.2 to 2024.2;
# -deadlock_detection is refused by 2021.2 (public logs). Where the guide of 2021.1 was not to be had, an option counts
# as unknown to it, so that a script has to be ready for that.

set OPTIONS {
    open_project    {-reset flag 2020.2 -upgrade flag 2022.1}
    open_solution   {-reset flag 2020.2 -flow_target {vivado vitis} 2020.2}
    set_top         {}
    add_files       {-tb flag 2020.2 -cflags text 2020.2 -csimflags text 2020.2 -blackbox text 2020.2}
    set_part        {}
    create_clock    {-period text 2020.2 -name text 2020.2}
    set_clock_uncertainty {}
    csynth_design   {-dump_post_cfg flag 2022.1 -synthesis_check flag 2020.2}
    cosim_design    {-O flag 2020.2 -argv text 2020.2 -compiled_library_dir text 2020.2 -coverage flag 2020.2
                     -disable_deadlock_detection flag 2020.2 -enable_dataflow_profiling flag 2020.2
                     -enable_fifo_sizing flag 2021.2 -ldflags text 2020.2 -mflags text 2020.2
                     -random_stall flag 2020.2 -rtl {verilog vhdl} 2020.2 -setup flag 2020.2
                     -tool {auto vcs modelsim riviera isim xsim ncsim xceilum} 2020.2
                     -trace_level {none all port port_hier} 2020.2 -wave_debug flag 2020.2}
    export_design   {-description text 2020.2 -display_name text 2020.2 -flow {syn impl} 2020.2
                     -format {ip_catalog xo syn_dcp sysgen} 2020.2 -ipname text 2020.2 -library text 2020.2
                     -output text 2020.2 -rtl {verilog vhdl} 2020.2 -taxonomy text 2020.2 -vendor text 2020.2
                     -version text 2020.2}
    config_array_partition {-complete_threshold int 2021.2 -throughput_driven {auto off} 2021.2}
    config_compile  {-enable_auto_rewind bool 2020.2 -ignore_long_run_time bool 2021.2 -name_max_length int 2020.2
                     -no_signed_zeros bool 2020.2 -pipeline_flush_in_task {always never ii1} 2022.2
                     -pipeline_loops int 2020.2 -pipeline_style {stp flp frp} 2020.2 -pragma_strict_mode bool 2021.1
                     -unsafe_math_optimizations bool 2020.2}
    config_dataflow {-default_channel {fifo pingpong} 2020.2 -disable_fifo_sizing_opt bool 2021.2
                     -fifo_depth int 2020.2 -override_user_fifo_depth int 2021.2 -scalar_fifo_depth int 2020.2
                     -start_fifo_depth int 2020.2 -strict_mode {error warning off} 2020.2
                     -strict_stable_sync bool 2021.2 -task_level_fifo_depth int 2022.1}
    config_interface {-clock_enable bool 2020.2 -default_slave_interface {none s_axilite} 2020.2
                     -m_axi_addr64 bool 2020.2 -m_axi_alignment_byte_size int 2020.2
                     -m_axi_auto_id_channel bool 2023.1 -m_axi_auto_max_ports bool 2020.2
                     -m_axi_buffer_impl {auto lutram uram bram} 2021.2 -m_axi_cache_impl {auto lutram uram bram} 2022.2
                     -m_axi_conservative_mode bool 2021.2 -m_axi_flush_mode bool 2021.2 -m_axi_latency int 2020.2
                     -m_axi_max_bitwidth int 2020.2 -m_axi_max_read_burst_length int 2020.2
                     -m_axi_max_widen_bitwidth int 2020.2 -m_axi_max_write_burst_length int 2020.2
                     -m_axi_min_bitwidth int 2020.2 -m_axi_num_read_outstanding int 2020.2
                     -m_axi_num_write_outstanding int 2020.2 -m_axi_offset {off slave direct} 2020.2
                     -register_io {off scalar_in scalar_out scalar_all} 2020.2 -s_axilite_data64 bool 2020.2
                     -s_axilite_interrupt_mode {cor tow} 2021.2 -s_axilite_mailbox {in out both none} 2022.1
                     -s_axilite_sw_reset bool 2022.1}
    config_rtl      {-deadlock_detection {none sim hw hw_diagnosis} 2022.1 -header text 2020.2
                     -kernel_profile flag 2020.2 -module_auto_prefix bool 2020.2 -module_prefix text 2020.2
                     -mult_keep_attribute flag 2020.2 -register_all_io bool 2020.2 -register_reset_num int 2020.2
                     -reset {none control state all} 2020.2 -reset_async bool 2020.2 -reset_level {low high} 2020.2}
    config_schedule {-enable_dsp_full_reg bool 2020.2}
    config_storage  {-auto_srl_max_bits int 2020.2 -auto_srl_max_depth int 2020.2 -impl text 2020.2}
    config_unroll   {-tripcount_threshold int 2020.2}
}

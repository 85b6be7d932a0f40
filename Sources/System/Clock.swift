import CSystem

/// The clocks. All in integers, so that arithmetic on them is exact.
public enum Clock {
  /// Monotonic time since some fixed point.
  public static var nowNanoseconds: Int64 { thimble_now_nanoseconds() }
  /// Wall-clock time since 1970.
  public static var wallMilliseconds: Int64 { thimble_wall_clock_milliseconds() }
  /// Processor time of all threads of this process.
  public static var processCPUNanoseconds: Int64 { thimble_process_cpu_nanoseconds() }
}

import CSystem

/// The clocks. All in integers, so that arithmetic on them is exact.
public enum Clock {
  /// Monotonic time since some fixed point.
  public static var nowNanoseconds: Int64 { thimble_now_nanoseconds() }
  /// Wall-clock time since 1970.
  public static var wallMilliseconds: Int64 { thimble_wall_clock_milliseconds() }
  /// Milliseconds since 1970 as `2026-11-23T03:04:05.678Z`. (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days)
  public static func text(wallMilliseconds: Int64) -> String {
    func digits(_ value: Int64, _ count: Int) -> String {
      let text = "\(value)"
      return String(repeating: "0", count: max(0, count - text.utf8.count)) + text
    }
    let time = max(0, wallMilliseconds)
    let shifted = time / 86_400_000 + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    let seconds = time / 1000
    return "\(digits(year, 4))-\(digits(month, 2))-\(digits(day, 2))T\(digits(seconds / 3600 % 24, 2)):"
      + "\(digits(seconds / 60 % 60, 2)):\(digits(seconds % 60, 2)).\(digits(time % 1000, 3))Z"
  }

  /// Processor time of all threads of this process.
  public static var processCPUNanoseconds: Int64 { thimble_process_cpu_nanoseconds() }
}

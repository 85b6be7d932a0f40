import Devices
import Memory
import Power
import Runtime
import Serving
import System

/// What every command that runs a model needs: the budget, the kernels, the threads; made from its options.
struct Engine {
  let budget: MemoryBudget
  let kernels: Kernels
  let pool: ThreadPool
  private let program: ProgramReservation

  static let options: [Option] =
    [
      Option("threads", "N", "threads that compute (default: what affinity and control group allow)"),
      Option("isa", "NAME", "kernels: portable, avx2, vnni, neon, dotprod, i8mm (default: the fastest that runs here)"),
    ] + budgetOptions
  /// What decides the memory budget.
  static let budgetOptions: [Option] = [
    budgetOption,
    Option("target", "NAME", "what kind of device this is (default: recognised; see targets/)"),
    Option("targets", "DIR", "where targets are (default: \(TargetDirectory.installedPath))"),
  ]
  static let budgetOption = Option(
    "memory-budget", "SIZE", "most memory to use, everything counted: 64M, 1G (default: see README)")

  static func budget(_ arguments: Arguments) throws(CommandError) -> MemoryBudget {
    let target = try target(arguments)
    if let byteCount = try arguments.byteCount("memory-budget") { return MemoryBudget(limitByteCount: byteCount) }
    let allowed: Int?
    do throws(TargetError) {
      allowed = try target?.defaultBudgetByteCount(physicalByteCount: Process.physicalMemoryByteCount)
    } catch {
      throw .failure(error.message)
    }
    return MemoryBudget(limitByteCount: DefaultBudget.byteCount(targetByteCount: allowed))
  }

  /// The kind of device that this is: what `--target` names, else what is recognised; nil where there are no targets. A budget
  /// given by hand needs none.
  static func target(_ arguments: Arguments) throws(CommandError) -> Target? {
    let folder = arguments.text("targets")
    let directory = TargetDirectory(folder ?? TargetDirectory.installedPath)
    do throws(TargetError) {
      if let name = arguments.text("target") { return try directory.target(named: name) }
      if arguments.has("memory-budget") { return nil }
      if folder == nil, (try? FileSystem.status(of: directory.path)) == nil { return nil }
      return try directory.recognised()
    } catch {
      throw .failure(error.message)
    }
  }

  /// What governs the effort: the profile that `--profile` names, else the target's, else balanced.
  static func power(_ arguments: Arguments) throws(CommandError) -> PowerConfiguration {
    let target = try powerTarget(arguments)
    let directory = PowerProfileDirectory(arguments.text("profiles") ?? PowerProfileDirectory.installedPath)
    let name = arguments.text("profile") ?? target?.power.profile ?? PowerProfile.balanced.name
    do throws(TargetError) {
      let (wanted, others) = try directory.profiles(for: name)
      var configuration = PowerConfiguration(profile: wanted, profiles: others, directory: directory, target: target)
      configuration.fixesThreads = arguments.has("threads")
      return configuration
    } catch {
      throw .failure(error.message)
    }
  }

  /// The kind of device for the power's sake. Where nobody names it, one that cannot be recognised is no error.
  private static func powerTarget(_ arguments: Arguments) throws(CommandError) -> Target? {
    if arguments.has("target") || arguments.has("targets") {
      let directory = TargetDirectory(arguments.text("targets") ?? TargetDirectory.installedPath)
      do throws(TargetError) {
        guard let name = arguments.text("target") else { return try directory.recognised() }
        return try directory.target(named: name)
      } catch {
        throw .failure(error.message)
      }
    }
    return try? TargetDirectory(TargetDirectory.installedPath).recognised()
  }

  static func reserveProgram(
    _ budget: MemoryBudget, for duty: Process.Duty = .everything
  ) throws(CommandError) -> ProgramReservation {
    do { return try ProgramReservation(budget: budget, for: duty) } catch { throw .failure(error.message) }
  }

  init(_ arguments: Arguments, for duty: Process.Duty = .computing) throws(CommandError) {
    let budget = try Engine.budget(arguments)
    kernels = try Engine.kernels(arguments)
    program = try Engine.reserveProgram(budget, for: duty)
    let threads = try Engine.threadCount(arguments)
    do { pool = try ThreadPool(threadCount: threads, budget: budget) } catch { throw .failure(error.message) }
    self.budget = budget
  }

  /// What `--isa` names, else the fastest.
  static func kernels(_ arguments: Arguments) throws(CommandError) -> Kernels {
    guard let name = arguments.text("isa") else { return Kernels.best }
    guard let named = Kernels.named(name) else {
      var names = ""
      for kernels in Kernels.supported { names += (names.isEmpty ? "" : ", ") + kernels.name }
      throw .usage("--isa \(name): this processor or this build has only \(names)")
    }
    return named
  }

  static func threadCount(_ arguments: Arguments) throws(CommandError) -> Int {
    try arguments.integer("threads", in: 1...64) ?? ProcessorLimit.threadCount()
  }

  /// What was measured on this device before; else what most devices are like. To measure takes memory: `thimble plan` does.
  var rates: DeviceRates { DeviceRates.cached(kernels.name) ?? DeviceRates() }
}

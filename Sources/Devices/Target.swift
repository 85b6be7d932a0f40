/// What is known of a kind of device, from a file of `targets/`. Members that this build does not know are left out.
public struct Target: Equatable, Sendable {
  public var name: String
  public var recognition = Recognition()
  public var memory = Memory()
  public var power = Power()

  /// How a machine of this kind is told from others.
  public struct Recognition: Equatable, Sendable {
    /// As `Architecture.name` has it; nil: any.
    public var architecture: String?
    /// Beginnings of one of the device tree's `compatible` texts, or of its `model`; none: the architecture is enough.
    public var compatiblePrefixes: [String] = []
    public var modelPrefixes: [String] = []
  }

  public struct Memory: Equatable, Sendable {
    /// Bytes that the device has; nil where kinds differ or nobody knows: what the kernel says counts.
    public var totalByteCount: Int?
    public var gpu = GPU()
    /// Percent of what the GPU leaves that Thimble may use where nobody says a budget.
    public var budgetPercent = 50
    /// Bytes that it may use at most where nobody says a budget; nil: the percentage decides.
    public var budgetByteCount: Int?
  }

  public struct GPU: Equatable, Sendable {
    /// Whether the GPU's memory is the machine's: what it takes, programs lack.
    public var isShared = false
    /// Bytes to leave for what other programs do with the GPU, where it is shared.
    public var reservedByteCount = 0
  }

  public init(name: String) { self.name = name }

  /// The budget that this target allows where nobody says one, on a machine with so much memory.
  ///
  /// - Throws: that the GPU is to have all of it.
  public func defaultBudgetByteCount(physicalByteCount: Int) throws(TargetError) -> Int {
    let total = min(memory.totalByteCount ?? physicalByteCount, physicalByteCount)
    let left = total - (memory.gpu.isShared ? memory.gpu.reservedByteCount : 0)
    guard left > 0 else {
      throw .nothingLeft(target: name, totalByteCount: total, reservedByteCount: memory.gpu.reservedByteCount)
    }
    // Divided first: no size overflows.
    let share = left / 100 * memory.budgetPercent
    return min(share, memory.budgetByteCount ?? share)
  }
}

/// The processor architecture that the program was built for.
public enum Architecture {
  public static var name: String {
    #if arch(x86_64)
      "x86_64"
    #elseif arch(arm64)
      "aarch64"
    #else
      "other"
    #endif
  }
}

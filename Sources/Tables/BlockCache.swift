import Memory
import System

/// Decoded blocks that were used of late. Which one goes is decided by a hand that passes over those used since it last came by.
final class BlockCache {
  private let slotByteCount: Int
  // In this order: the memory must be gone before the budget has it back.
  /// As much as there may ever be; what is not in use has no pages.
  private let memory: Mapping
  private var reservation: MemoryBudget.Reservation
  /// By block: its slot, or −1.
  private var slots: [Int32]
  /// By slot: its block, or −1, and whether it was used since the hand was there.
  private var blocks: [Int32] = []
  private var wasUsed: [Bool] = []
  private var hand = 0
  /// Where `place` has made room.
  private var placed = 0

  /// Bytes that a cache of so many blocks takes beside the blocks themselves.
  static func describingByteCount(_ blockCount: Int) -> Int { 9 * blockCount + 256 }

  init(blockCount: Int, slotByteCount: Int, budget: MemoryBudget) throws(MemoryError) {
    // Whole pages, so that what goes gives pages back.
    self.slotByteCount = Mapping.roundedToPages(slotByteCount)
    let (all, overflow) = self.slotByteCount.multipliedReportingOverflow(by: max(1, blockCount))
    let most = min(overflow ? Int.max : all, budget.limitByteCount / self.slotByteCount * self.slotByteCount)
    reservation = try budget.reserve(0, for: .weights)
    do { memory = try Mapping(zeroed: max(self.slotByteCount, most)) } catch {
      throw .refusedByKernel(needed: most)
    }
    slots = [Int32](repeating: -1, count: blockCount)
  }

  var byteCount: Int { reservation.byteCount }
  var byteCountMax: Int { min(slots.count * slotByteCount, memory.byteCount) }

  /// Has room for as many blocks as fit into so many bytes, or for as many as it had where the budget refuses more.
  func resize(to wanted: Int) {
    let count = min(byteCountMax, max(0, wanted)) / slotByteCount
    let old = blocks.count
    if count == old { return }
    if count < old {
      for slot in count..<old where blocks[slot] >= 0 { slots[Int(blocks[slot])] = -1 }
      memory.releasePages(offset: count * slotByteCount, byteCount: (old - count) * slotByteCount)
      blocks.removeLast(old - count)
      wasUsed.removeLast(old - count)
      hand = 0
    }
    guard (try? reservation.resize(to: count * slotByteCount)) != nil, count > old else { return }
    blocks += [Int32](repeating: -1, count: count - old)
    wasUsed += [Bool](repeating: false, count: count - old)
    // What is free is filled first.
    hand = old
  }

  /// The bytes of a block that is kept.
  func bytes(of block: Int, count: Int) -> UnsafeRawBufferPointer? {
    guard slots[block] >= 0 else { return nil }
    wasUsed[Int(slots[block])] = true
    return UnsafeRawBufferPointer(start: memory.base + Int(slots[block]) * slotByteCount, count: count)
  }

  /// Where a block may be decoded, in place of another one; nil where none are kept.
  func place(for block: Int, count: Int) -> UnsafeMutableRawBufferPointer? {
    guard !blocks.isEmpty else { return nil }
    while wasUsed[hand] {
      wasUsed[hand] = false
      hand = (hand + 1) % blocks.count
    }
    if blocks[hand] >= 0 { slots[Int(blocks[hand])] = -1 }
    blocks[hand] = -1
    placed = hand
    return UnsafeMutableRawBufferPointer(start: memory.base + hand * slotByteCount, count: count)
  }

  /// What `place` made room for is there.
  func keep(_ block: Int) {
    (blocks[placed], slots[block], wasUsed[placed]) = (Int32(block), Int32(placed), true)
    hand = (placed + 1) % blocks.count
  }
}

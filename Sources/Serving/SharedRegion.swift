import Memory
import Protocols
import System

/// Memory that a client shares with the server: mapped, counted in the budget, and safe to touch whatever the client does to it.
/// It stays mapped as long as somebody holds this object, be it unregistered.
final class SharedRegion: @unchecked Sendable {
  /// Who may use it.
  struct Owner: Equatable, Sendable {
    let user: UInt32?
    /// The connection that passed it and with which it goes; nil: every connection of the user.
    let connection: UInt64?
  }

  let name: String
  let request: SharedMemoryRequest
  let owner: Owner
  let isWritable: Bool
  // In this order: the memory goes before its reservation.
  private let mapping: Mapping
  private let reservation: MemoryBudget.Reservation
  /// The region's first byte in the mapping, which starts with a page.
  private let start: Int

  /// Precondition: `request.byteCount` is far below `Int.max`. Errors: the file is shorter than the request says, the budget or the
  /// kernel refuses.
  init(
    name: String, request: SharedMemoryRequest, owner: Owner, file: borrowing File, isWritable: Bool,
    budget: MemoryBudget
  ) throws(ServingError) {
    let byteCount: Int
    do { byteCount = try file.status().byteCount } catch { throw .sharedMemory(.notOpened(error)) }
    let (end, overflow) = request.offset.addingReportingOverflow(request.byteCount)
    guard !overflow, end <= byteCount else {
      throw .sharedMemory(.tooShort(neededByteCount: overflow ? Int.max : end, byteCount: byteCount))
    }
    let first = request.offset / Mapping.pageByteCount * Mapping.pageByteCount
    start = request.offset - first
    let mapped = start + request.byteCount
    do throws(MemoryError) {
      reservation = try budget.reserve(
        mapped + ServingLimits.regionDescribingBytes, for: .regions, kind: .mapped)
    } catch {
      throw .memory(error)
    }
    do throws(SystemError) {
      mapping = try Mapping(sharing: file, offset: first, byteCount: mapped, isWritable: isWritable)
    } catch {
      throw .sharedMemory(.notOpened(error))
    }
    self.name = name
    self.request = request
    self.owner = owner
    self.isWritable = isWritable
  }

  /// The whole region. The client may change it at any time.
  var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: mapping.base + start, count: request.byteCount)
  }

  /// The first bytes of the place that `reference` names. Errors: it lies outside.
  func bytes(
    _ reference: SharedMemoryReference, count: Int, of tensor: String
  ) throws(SharedMemoryError) -> UnsafeMutableRawBufferPointer {
    guard let range = reference.range, range.upperBound <= request.byteCount, count <= range.count else {
      throw .outOfRange(tensor: tensor, region: name, byteCount: request.byteCount)
    }
    return UnsafeMutableRawBufferPointer(rebasing: bytes[range].prefix(count))
  }

  /// Asked after bytes have been read or written.
  func check() throws(SharedMemoryError) {
    if mapping.faultCount > 0 { throw .cutOff(region: name) }
  }
}

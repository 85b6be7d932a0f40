import System

/// One layer's weights as its step reads them: pieces in order, each used between `begin` and `end`.
///
/// Most pieces are simply there. Those that pass through a stream are there from `begin` to the last thread's `end`; so every
/// thread ends every piece, in order, whether it needs the piece or not, except where pieces are claimed.
public final class LayerWeights: @unchecked Sendable {
  public struct Piece: @unchecked Sendable {
    /// Bytes of the layer before it, and its own.
    public let offset: Int
    public let byteCount: Int
    /// Index in the stream; −1 where it is always there.
    let entry: Int
    /// Where it is when it is always there.
    let base: UnsafeRawPointer?
  }

  public internal(set) var pieces: [Piece] = []
  /// Whether each piece is for the one thread that claims it, instead of for all.
  public internal(set) var isClaimed = false
  /// Whether pieces stay from `hold` to `letGo`, whatever `end` says: a layer that runs again and again, stripe by stripe.
  public internal(set) var isHeld = false
  unowned(unsafe) let stream: WeightStream
  private let claims = Futex()

  init(stream: WeightStream) { self.stream = stream }

  /// Bytes of all pieces.
  public var byteCount: Int { pieces.last.map { $0.offset + $0.byteCount } ?? 0 }

  func prepare() { claims.store(0) }

  /// The next piece that nobody has claimed in this run.
  public func claim() -> Int? {
    let index = Int(claims.add(1)) - 1
    return index < pieces.count ? index : nil
  }

  /// Waits until a piece is there, and returns where.
  public func begin(_ index: Int, part: Int) -> UnsafePointer<Int8> {
    let piece = pieces[index]
    let base = piece.entry < 0 ? piece.base! : stream.open(piece.entry, part: part)
    return base.assumingMemoryBound(to: Int8.self)
  }

  /// This thread is done with a piece.
  public func end(_ index: Int) {
    let entry = pieces[index].entry
    if entry >= 0 && !isHeld { stream.finish(entry) }
  }

  /// Waits until all pieces are there, and keeps them until every thread has called `letGo`.
  public func hold(part: Int) {
    for piece in pieces where piece.entry >= 0 { _ = stream.open(piece.entry, part: part) }
  }

  public func letGo() {
    for piece in pieces where piece.entry >= 0 { stream.finish(piece.entry) }
  }
}

import Protocols
import System

/// Every limit of the daemon. What a client or a repository may ask for is bounded here, and nowhere else.
public struct ServingLimits: Sendable {
  /// Clients at once. Each owns a receive buffer of 16 KiB while it is connected.
  public var connectionsMax = 64
  /// Requests that wait for the worker. Each belongs to a connection; fewer than `connectionsMax`, so that a full queue
  /// is answered with 503 instead of with silence.
  public var queuedRequestsMax = 32
  /// Of these, how many may be of one user: the peer of a Unix socket. All clients of other machines are one.
  public var userRequestsMax = Int.max
  /// Bytes of an inference request; larger ones are answered with 413. As Triton has it.
  public var bodyBytesMax = 64 << 20
  /// How long a drain waits for requests in flight.
  public var drainMilliseconds = 30_000
  /// How long a body or an answer may take from one piece to the next, and as a whole with `transferNanosecondsPerMiB`.
  public var transferMilliseconds = 30_000
  /// How long after a load that failed for a passing reason it is tried again; from then on twice as long each time.
  public var loadRetryMilliseconds = 1000

  public init() {}

  /// Errors: the relations that the comments above promise.
  var areConsistent: Bool {
    connectionsMax >= 1 && queuedRequestsMax >= 1 && queuedRequestsMax <= connectionsMax && bodyBytesMax >= 4096
  }

  // MARK: Bytes

  /// The request line and headers; a receive buffer holds exactly one head of the greatest size.
  static let headBytesMax = 16 << 10
  static let receiveBufferBytes = headBytesMax
  /// The body of a repository request: a configuration of 1 MiB as a JSON string, and some escapes.
  static let controlBodyBytesMax = 2 << 20
  /// What a body of unknown length (chunked) gets first; it doubles from there.
  static let chunkedBodyBytesFirst = 64 << 10
  /// JSON that the event loop parses itself: some 0.2 ms. Longer JSON is parsed by the worker.
  static let loopParseBytesMax = 64 << 10
  /// Runs that the event loop does itself, which spares the time to wake a thread and to be woken: of a model that usually takes no
  /// longer. Everybody else waits so long; where somebody does, only what takes no longer than that waking is done so. Where nobody else
  /// is connected, who comes next must wait for the run in either case, unless it asks for something else.
  static let soleClientRunNanosecondsMax: Int64 = 20_000_000
  static let loopRunNanosecondsMax: Int64 = 2_000_000
  static let busyLoopRunNanosecondsMax: Int64 = 50_000
  /// What the parser copies of a request (names) without a reservation: part of the program's heap allowance.
  static let unreservedBytesMax = 4 << 10
  /// Buffers kept for the next request, in bytes and number: enough for a picture each way.
  static let spareBytesMax = 1 << 20
  static let sparesMax = 8
  /// What a line of a stream of requests gets first.
  static let lineBytesFirst = 4 << 10
  /// Bytes taken from one connection before others get their turn.
  static let turnBytesMax = 1 << 20

  // MARK: Times

  /// From the last answer until an idle connection gives its memory's pages back.
  static let restNanoseconds: Int64 = 1_000_000_000
  /// From a head's first byte to its last.
  static let headNanoseconds: Int64 = 10_000_000_000
  /// What each MiB of a body or an answer adds to the time that it may take.
  static let transferNanosecondsPerMiB: Int64 = 1_000_000_000
  /// How long a refused client may go on sending before the connection is cut.
  static let lingerNanoseconds: Int64 = 2_000_000_000
  /// How long a connection must have been idle to be closed in favour of a new one.
  static let idleNanosecondsMin: Int64 = 1_000_000_000
  /// How long clients wait at most once the kernel can make connections again that it refused for want of descriptors or memory.
  static let acceptRetryNanoseconds: Int64 = 100_000_000
  /// What `Retry-After` says: a queue of inferences empties in less.
  static let retryAfterSeconds = 1

  // MARK: Sharing the budget

  /// What caches of weights leave for clients, bodies, answers and documents, so that most requests find room at once.
  static func headroomByteCount(_ limitByteCount: Int) -> Int { max(128 << 10, min(1 << 20, limitByteCount / 16)) }
  /// What budgets that a refusal names are larger than the sum of what is known: heads of messages, and clients that come and go.
  static let variationBytes = 48 << 10
  /// Requests that run together at most, and how long one may wait for others.
  static let batchMax = 64
  /// Rows of one request, where the model's configuration does not say. Others wait for all of them.
  static let rowsMax = 256
  static let batchDelayMicrosMax = 1_000_000
  /// How often one exchange may wait for others to give up memory: once for each time that its body grows, and its answer.
  static let roomRequestsMax = 12
  /// Under pressure a model is idle that nobody has asked for so long.
  static let pressureIdleNanoseconds: Int64 = 5_000_000_000
  /// How often figures of memory are read: while notices of the kernel's rest or there are none, and while they are watched.
  static let pressureIntervalNanosecondsMin: Int64 = 1_000_000_000
  static let pressureIntervalNanosecondsMax: Int64 = 10_000_000_000

  // MARK: Measuring how many threads a model is worth

  /// How long nobody may have asked for anything before a measurement starts.
  static let calibrationIdleNanoseconds: Int64 = 50_000_000
  /// One job's runs take so long, but are two at least; the last one may take longer.
  static let calibrationNanoseconds: Int64 = 30_000_000
  static let calibrationRunsMax = 8
  /// From the first measurement to the second.
  static let calibrationPauseNanoseconds: Int64 = 2_000_000_000

  // MARK: Repository

  /// Inferences a second that a model's configuration may promise.
  static let rates: ClosedRange<Float> = 0.001...100_000
  /// How often a load is tried again, and how long after the last time at most.
  static let loadRetriesMax = 12
  static let loadRetryNanosecondsMax: Int64 = 60_000_000_000
  static let modelsMax = 256
  /// Priorities that a model's configuration may tell apart.
  static let priorityLevelsMax = 32
  static let versionsMax = 64
  /// Names for a model's versions, bytes of one, and the highest weight of a version's share of the requests.
  static let versionLabelsMax = 32
  static let versionLabelBytesMax = 64
  static let trafficWeightMax = 1_000_000
  /// Samples of a model's warm-up, and runs of one.
  static let warmupSamplesMax = 16
  static let warmupRunsMax = 1000
  static let configurationBytesMax = 1 << 20
  static let labelsMax = 1 << 16
  static let labelBytesMax = 256
  /// Bytes of a model's name: one component of a path.
  static let nameBytesMax = 255

  // MARK: Ensembles

  /// Models that one request may pass through.
  static let ensembleStepsMax = 64

  // MARK: Tables

  /// Rows of one look-up; vectors of one search, and neighbors of each.
  static let tableQueryRowsMax = 1 << 16
  static let tableSearchVectorsMax = 64
  static let neighborsMax = 1000
  static let neighborsDefault = 10

  // MARK: Sequences

  /// Sequences at once, and those of one user or connection.
  static let sequencesMax = 256
  static let ownSequencesMax = 64
  /// A day.
  static let sequenceIdleMicrosMax = 86_400_000_000
  /// Runs of one request that generates.
  static let generationStepsMax = 1 << 20

  // MARK: The response cache

  /// Results kept at once, and the heap that each takes besides its tensors.
  static let cachedResponsesMax = 1024
  static let cachedResponseBytes = 256
  /// Inputs and answers up to so many bytes the event loop looks up and writes itself: some 0.2 ms.
  static let loopLookupBytesMax = 1 << 20

  // MARK: Traces

  /// Traces that are kept, or a thirty-second part of the budget where that is less; and those written to a file.
  static let traceBytesMax = 512 << 10
  static let traceFileBytesMax = 64 << 20

  // MARK: Shared memory

  /// Regions that clients have registered, and those of one user. Each takes a mapping, of which guarded ones are limited.
  static let regionsMax = 128
  static let userRegionsMax = 64
  /// Bytes of a region's name, and of the heap that a region takes with it and its key.
  static let regionNameBytesMax = 255
  static let regionDescribingBytes = 1024

  // MARK: The worker

  /// As a thread of the pool, with which it runs kernels. Measured, Embedded: 20 KiB touched after loads, inferences and
  /// JSON nested as deep as it may be.
  static let workerStackBytes = Thread.stackByteCount
}

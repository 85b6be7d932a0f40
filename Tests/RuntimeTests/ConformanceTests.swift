import Importing
import Memory
import ModelFile
import Runtime
import TestSupport
import Testing

/// The whole engine against LiteRT's reference kernels, byte for byte: import, container, plan, every kernel table, threads.
@Suite struct ConformanceTests {
  #if DEBUG
    static let isOptimized = false
  #else
    static let isOptimized = true
  #endif

  @Test(arguments: OperatorCases.files)
  func operatorAgreesWithReference(_ file: String) throws {
    let cases = try OperatorCases.read(file)
    #expect(!cases.isEmpty)
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    let pools = try (1...3).map { try ThreadPool(threadCount: $0, budget: budget) }
    for item in cases {
      let model: ImportedModel
      do { model = try importModel(item.model) } catch {
        Issue.record("\(item.name): \(error.message)")
        continue
      }
      for compression in [ModelFileWriter.Compression.whereItSaves, .none] {
        for kernels in Kernels.supported {
          for pool in pools {
            let session = try Session(try model.opened(compression), kernels: kernels, pool: pool, budget: budget)
            let place = "\(item.name), \(kernels.name), \(pool.threadCount) threads, \(compression)"
            check(session, item, place)
          }
        }
      }
    }
  }

  @Test(.enabled(if: SharedFiles.arePresent, "no golden answers"), arguments: SharedFiles.goldenCases)
  func modelAgreesWithReference(_ name: String) throws {
    let item = try SharedFiles.golden(name)
    let model = try importModel(item.model)
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    // Kernels without optimization are slow: large networks run there with the fastest kernels alone.
    let isLarge = model.graph.operators.reduce(0) { $0 + $1.operation.multiplyAdds } > 20_000_000
    let isReduced = isLarge && !Self.isOptimized
    for kernels in isReduced ? [Kernels.best] : Kernels.supported {
      for threadCount in isReduced ? [2] : [1, 2, 3] {
        let pool = try ThreadPool(threadCount: threadCount, budget: budget)
        for compression in isReduced
          ? [ModelFileWriter.Compression.whereItSaves] : [ModelFileWriter.Compression.whereItSaves, .none]
        {
          let session = try Session(try model.opened(compression), kernels: kernels, pool: pool, budget: budget)
          check(session, item, "\(name), \(kernels.name), \(threadCount) threads, \(compression)")
        }
      }
    }
  }

  /// The reference's answer, twice: inputs outlive a run.
  private func check(_ session: Session, _ item: OperatorCase, _ place: String) {
    if let text = difference(session.answers(to: item.inputs), item.outputs) { Issue.record("\(place): \(text)") }
    if let text = difference(session.answers(to: item.inputs), item.outputs) {
      Issue.record("\(place), second run: \(text)")
    }
  }

  @Test(
    .enabled(if: SharedFiles.arePresent, "no golden answers"),
    arguments: ["ad01_int8", "kws_ref_model", "pretrainedResnet_quant"])
  func batchesAgreeWithSingleRuns(_ name: String) throws {
    let cases = try ["seed8", "seed7", "seed8"].map { try SharedFiles.golden("\(name).\($0)") }
    let model = try importModel(cases[0].model, batch: 3)
    #expect(model.graph.tensors[model.graph.inputs[0]].shape[0] == 3)
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    for kernels in Self.isOptimized ? Kernels.supported : [Kernels.best] {
      for threadCount in 1...3 {
        let pool = try ThreadPool(threadCount: threadCount, budget: budget)
        let session = try Session(try model.opened(), kernels: kernels, pool: pool, budget: budget)
        let actual = session.answers(to: [cases.flatMap { $0.inputs[0] }])
        let text = difference(actual, [cases.flatMap { $0.outputs[0] }])
        #expect(text == nil, "\(kernels.name), \(threadCount) threads")
      }
    }
  }

  @Test func sessionsShareAPool() throws {
    let budget = MemoryBudget(limitByteCount: 1 << 30)
    let pool = try ThreadPool(threadCount: 2, budget: budget)
    let convolution = try OperatorCases.read("CONV_2D.cases")[0]
    let softmax = try OperatorCases.read("SOFTMAX.cases")[0]
    func session(_ item: OperatorCase) throws -> Session {
      try Session(try importModel(item.model).opened(), kernels: .best, pool: pool, budget: budget)
    }
    let (first, second) = (try session(convolution), try session(softmax))
    for _ in 0..<50 {
      #expect(difference(first.answers(to: convolution.inputs), convolution.outputs) == nil)
      #expect(difference(second.answers(to: softmax.inputs), softmax.outputs) == nil)
      #expect(difference(first.answers(to: convolution.inputs), convolution.outputs) == nil)
    }
  }
}

import Memory
import Protocols
import Runtime
import Tensors

/// Makes an ensemble of what its configuration says and of the models that are loaded: checks that every tensor comes from
/// somewhere, has one maker, and is what its takers need; and puts the steps in order.
struct EnsembleBinding {
  /// Why no ensemble can be made: what is wrong with the configuration, by its key; or a model that is not there.
  enum Problem: Error {
    case configuration(key: String, reason: String)
    case member(name: String)
  }

  /// A tensor of the ensemble.
  private struct Tensor {
    let name: String
    let port: Session.Port
    /// Nil: the request brings it.
    let maker: Int?
  }

  private let name: String
  private let configuration: EnsembleConfiguration
  private let members: [LoadedModel]
  private var tensors: [Tensor] = []
  /// By step: the index of the tensor for each input of the model, and for each output of it.
  private var taken: [[Int]] = []
  private var made: [[Int?]] = []

  private init(_ name: String, _ configuration: EnsembleConfiguration, _ members: [LoadedModel]) {
    self.name = name
    self.configuration = configuration
    self.members = members
  }

  /// `member` finds a model that is loaded.
  static func ensemble(
    _ name: String, _ configuration: EnsembleConfiguration, member: (String, Int?) -> LoadedModel?
  ) throws(Problem) -> Ensemble {
    var members: [LoadedModel] = []
    for (index, step) in configuration.steps.enumerated() {
      guard step.modelName != name else {
        throw .configuration(key: key(index, "model_name"), reason: "an ensemble cannot be a step of itself")
      }
      guard let model = member(step.modelName, step.version) else { throw .member(name: step.modelName) }
      guard model.ensemble == nil else {
        throw .configuration(
          key: key(index, "model_name"), reason: "\(step.modelName) is an ensemble: name its steps instead")
      }
      guard model.tablePorts == nil else {
        throw .configuration(key: key(index, "model_name"), reason: "\(step.modelName) is a table: ask it directly")
      }
      guard model.sequenceLayout?.states.isEmpty ?? true else {
        throw .configuration(
          key: key(index, "model_name"), reason: "\(step.modelName) keeps sequences: ask it directly")
      }
      members.append(model)
    }
    var binding = EnsembleBinding(name, configuration, members)
    try binding.addMade()
    try binding.addTaken()
    return try binding.ensemble(in: try binding.order())
  }

  private static func key(_ step: Int, _ member: String) -> String {
    "\(EnsembleConfiguration.stepsField)[\(step)].\(member)"
  }

  // MARK: Tensors

  private mutating func addMade() throws(Problem) {
    for (index, step) in configuration.steps.enumerated() {
      let ports = members[index].outputs
      var row = [Int?](repeating: nil, count: ports.count)
      for mapping in step.outputMap {
        let key = EnsembleBinding.key(index, "output_map." + mapping.port)
        guard let place = ports.firstIndex(where: { $0.name == mapping.port }) else {
          throw .configuration(key: key, reason: "model \(step.modelName) has no such output")
        }
        guard !tensors.contains(where: { $0.name == mapping.tensor }), row[place] == nil else {
          throw .configuration(key: key, reason: "\(mapping.tensor) is made more than once")
        }
        row[place] = tensors.count
        tensors.append(Tensor(name: mapping.tensor, port: ports[place].named(mapping.tensor), maker: index))
      }
      made.append(row)
    }
  }

  private mutating func addTaken() throws(Problem) {
    for (index, step) in configuration.steps.enumerated() {
      let ports = members[index].inputs
      for mapping in step.inputMap where !ports.contains(where: { $0.name == mapping.port }) {
        throw .configuration(
          key: EnsembleBinding.key(index, "input_map." + mapping.port),
          reason: "model \(step.modelName) has no such input")
      }
      var row: [Int] = []
      for port in ports {
        let key = EnsembleBinding.key(index, "input_map." + port.name)
        guard let mapping = step.inputMap.first(where: { $0.port == port.name }) else {
          throw .configuration(key: key, reason: "missing: model \(step.modelName) needs this input")
        }
        if let found = tensors.firstIndex(where: { $0.name == mapping.tensor }) {
          try check(tensors[found].port, isLike: port, key: key, step)
          row.append(found)
        } else {
          guard configuration.inputs.isEmpty || configuration.inputs.contains(where: { $0.name == mapping.tensor })
          else {
            throw .configuration(
              key: key, reason: "\(mapping.tensor) is no input of the ensemble, and no step makes it")
          }
          row.append(tensors.count)
          tensors.append(Tensor(name: mapping.tensor, port: port.named(mapping.tensor), maker: nil))
        }
      }
      taken.append(row)
    }
  }

  private func check(
    _ tensor: Session.Port, isLike port: Session.Port, key: String, _ step: EnsembleConfiguration.Step
  ) throws(Problem) {
    guard tensor.elementType == port.elementType, tensor.shape == port.shape else {
      throw .configuration(
        key: key,
        reason: "\(tensor.name) is \(tensor.elementType.name) \(tensor.shape.description), and model "
          + "\(step.modelName) takes \(port.elementType.name) \(port.shape.description)")
    }
  }

  // MARK: Order

  /// Steps such that each comes after those that make what it takes.
  private func order() throws(Problem) -> [Int] {
    var order: [Int] = []
    while order.count < members.count {
      let next = members.indices.first { step in
        !order.contains(step) && taken[step].allSatisfy { tensors[$0].maker.map { order.contains($0) } ?? true }
      }
      guard let next else {
        let stuck = members.indices.first { !order.contains($0) } ?? 0
        throw .configuration(
          key: EnsembleBinding.key(stuck, "input_map"), reason: "it waits for its own output: the steps go in a circle")
      }
      order.append(next)
    }
    return order
  }

  private func ensemble(in order: [Int]) throws(Problem) -> Ensemble {
    let inputs = try declared(configuration.inputs, "input", tensors.indices.filter { tensors[$0].maker == nil })
    let ends = tensors.indices.filter { tensor in
      tensors[tensor].maker != nil && !taken.contains { $0.contains(tensor) }
    }
    let outputs = try declared(configuration.outputs, "output", ends)
    for output in outputs where tensors[output].maker == nil {
      throw .configuration(key: "output", reason: "\(tensors[output].name) is made by no step")
    }
    guard !outputs.isEmpty else { throw .configuration(key: "output", reason: "missing: name what to answer") }
    let lives = lives(order, outputs)
    let placed = ActivationPlanner.place(lives)
    func range(_ tensor: Int) -> Range<Int> {
      placed.offsets[tensor]..<placed.offsets[tensor] + lives[tensor].byteCount
    }
    let steps = order.map { step in
      Ensemble.Step(
        modelName: members[step].name, version: configuration.steps[step].version,
        sources: taken[step].map { tensor in
          tensors[tensor].maker == nil ? .request(inputs.firstIndex(of: tensor) ?? 0) : .made(range(tensor))
        },
        targets: made[step].map { $0.map(range) }, inputs: members[step].inputs, outputs: members[step].outputs)
    }
    return Ensemble(
      steps: steps, inputs: inputs.map { tensors[$0].port }, outputs: outputs.map { tensors[$0].port },
      outputRanges: outputs.map(range), byteCount: placed.byteCount)
  }

  /// From when to when each tensor is needed, in steps. What the request brings takes no place.
  private func lives(_ order: [Int], _ outputs: [Int]) -> [ActivationPlanner.Buffer] {
    tensors.indices.map { tensor in
      guard let maker = tensors[tensor].maker, let first = order.firstIndex(of: maker) else {
        return .init(byteCount: 0, firstStep: 0, lastStep: 0)
      }
      var last = first
      for (place, step) in order.enumerated() where taken[step].contains(tensor) { last = max(last, place) }
      if outputs.contains(tensor) { last = order.count }
      return .init(byteCount: tensors[tensor].port.byteCount, firstStep: first, lastStep: last)
    }
  }

  /// The tensors that the configuration names, in its order; where it names none, `found`.
  private func declared(
    _ declarations: [EnsembleConfiguration.Declaration], _ field: String, _ found: [Int]
  ) throws(Problem) -> [Int] {
    guard !declarations.isEmpty else { return found }
    var result: [Int] = []
    for (index, declaration) in declarations.enumerated() {
      guard let tensor = tensors.firstIndex(where: { $0.name == declaration.name }), !result.contains(tensor) else {
        throw .configuration(
          key: "\(field)[\(index)].name", reason: "\(declaration.name) is a tensor of no step, or named twice")
      }
      let port = tensors[tensor].port
      if let type = declaration.elementType, type != port.elementType.name {
        throw .configuration(key: "\(field)[\(index)].data_type", reason: "\(port.name) is \(port.elementType.name)")
      }
      if let dimensions = declaration.dimensions, dimensions != port.shape.dimensions {
        throw .configuration(key: "\(field)[\(index)].dims", reason: "\(port.name) is \(port.shape.description)")
      }
      result.append(tensor)
    }
    if field == "input", let made = result.first(where: { tensors[$0].maker != nil }) {
      throw .configuration(key: field, reason: "\(tensors[made].name) is made by a step")
    }
    return result
  }
}

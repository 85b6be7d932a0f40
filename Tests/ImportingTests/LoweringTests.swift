import Foundation
import Importing
import ModelFile
import Tensors
import TestSupport
import Testing

/// What the graph looks like, where the bytes alone do not tell.
@Suite struct LoweringTests {
  private func model(_ file: String, _ name: String) throws -> ImportedModel {
    let item = try #require(try OperatorCases.read(file).first { $0.name.hasSuffix(name) })
    return try importModel(item.model)
  }

  @Test func identityQuantizeDisappears() throws {
    let pooled = try model("QUANTIZE.cases", "u8_identity_then_pool")
    #expect(pooled.graph.operators.map(\.name) == ["AVERAGE_POOL_2D"])
    let quantized = try model("QUANTIZE.cases", "u8_pool_then_identity")
    #expect(quantized.graph.operators.map(\.name) == ["MAX_POOL_2D"])
    #expect(quantized.graph.tensors[quantized.graph.outputs[0]].elementType == .int8)
    // Nothing else between input and output: a copy must remain.
    let alone = try model("QUANTIZE.cases", "u8_identity")
    #expect(alone.graph.operators.map(\.name) == ["RESHAPE"])
    #expect(alone.graph.inputs != alone.graph.outputs)
  }

  @Test func depthwiseOverOneChannelIsAFullConvolution() throws {
    let graph = try model("DEPTHWISE_CONV_2D.cases", "u8_multiplier8_of_1").graph
    guard case .convolution(let convolution) = graph.operators[0].operation else {
      Issue.record("not a full convolution")
      return
    }
    #expect(convolution.geometry.outputChannels == 8)
  }

  @Test func weightsArePaddedWithZeros() throws {
    let imported = try model("CONV_2D.cases", "i8_3x3_same")
    guard case .convolution(let convolution) = imported.graph.operators[0].operation else { return }
    // 5 channels of 16, runs of 9 bytes in 12.
    let payload = imported.payloads[convolution.weights]
    #expect(payload.count == 3 * 3 * 64)
    for channel in 5..<16 { for group in 0..<9 { #expect(payload[group * 64 + channel * 4] == 0) } }
    for row in 0..<3 { for byte in 1..<4 { #expect(payload[(row * 3 + 2) * 64 + byte] == 0) } }
  }

  @Test func sumsOfBytesHaveAFusedForm() throws {
    var found = 0
    for item in try OperatorCases.read("ADD.cases") {
      let graph = try importModel(item.model).graph
      if case .arithmetic(let arithmetic) = graph.operators[0].operation, let form = arithmetic.fusedForm {
        found += 1
        #expect(form.a > 0 && form.b > 0)
      }
    }
    #expect(found >= 8)
  }

  @Test func marginsGoIntoTheConvolution() throws {
    #expect(try model("PAD.cases", "i8_then_conv_2d_tf2").graph.operators.map(\.name) == ["CONV_2D"])
    let depthwise = try model("PAD.cases", "u8_then_depthwise_conv_2d_odd").graph
    #expect(depthwise.operators.map(\.name) == ["DEPTHWISE_CONV_2D"])
    // Also an output, or padded channels: the copy stays.
    #expect(try model("PAD.cases", "u8_then_conv_2d_shared").graph.operators.map(\.name) == ["PAD", "CONV_2D"])
    #expect(try model("PAD.cases", "u8_then_conv_2d_channels").graph.operators.map(\.name) == ["PAD", "CONV_2D"])
  }

  @Test func fixedBatchIsRefused() throws {
    let item = try OperatorCases.read("SOFTMAX.cases")[0]
    #expect(throws: ImportError.fixedBatch(tensor: "t0", batch: 1, requested: 3)) {
      try importModel(item.model, batch: 3)
    }
  }
}

/// Errors say what is wrong and what to do.
@Suite struct ImportErrorTests {
  private func error(_ file: [UInt8]) -> ImportError? {
    do throws(ImportError) {
      _ = try importModel(file)
      return nil
    } catch {
      return error
    }
  }

  @Test func notAModel() {
    #expect(
      error(Array("hello, this is text".utf8))?.message
        == "this is not a TFLite model: the file of 19 bytes lacks the identifier TFL3; give a .tflite file")
    #expect(error([]) == .notTFLite(fileBytes: 0))
  }

  @Test func unsupportedOperatorIsNamed() {
    #expect(
      ImportError.unsupportedOperator(name: "CUSTOM Foo", index: 3).message.hasPrefix(
        "operator 3 is CUSTOM Foo, which is not supported; supported are ADD, ARG_MAX, ARG_MIN, "))
  }

  /// Every operator that the message offers has cases, and every case's operator is offered.
  @Test func supportedOperatorsHaveCases() throws {
    let message = ImportError.unsupportedOperator(name: "X", index: 0).message
    let list = try #require(message.range(of: "supported are ")).upperBound
    let names = Set(message[list...].components(separatedBy: ", "))
    #expect(names == Set(OperatorCases.files.map { String($0.dropLast(".cases".count)) }))
  }

  @Test func invokingErrorModelIsRefused() {
    let path = SharedFiles.root + "/models/model_invoking_error.tflite"
    guard let data = FileManager.default.contents(atPath: path) else { return }
    let message = error([UInt8](data))?.message ?? "no error"
    #expect(message.hasPrefix("operator 0 is CUSTOM fake-op-double, which is not supported; supported are ADD, "))
  }
}

@Suite struct FixedPointTests {
  @Test func multipliersKeepTheirInvariant() {
    for value in [0.5, 1, 0.75, 1e-3, 123.4, 0x1p-31, 1 - 0x1p-53] {
      let factor = quantizeMultiplier(value)!
      #expect(factor.multiplier >= 1 << 30)
      let real = Double(factor.multiplier) / 0x1p31 * Double(sign: .plus, exponent: Int(-factor.shift), significand: 1)
      #expect(abs(real / value - 1) < 0x1p-30)
    }
    #expect(quantizeMultiplier(0x1p-40) == FixedPointFactor(multiplier: 0, shift: 0))
    #expect(quantizeMultiplier(-1) == nil && quantizeMultiplier(.nan) == nil && quantizeMultiplier(1e300) == nil)
  }

  @Test func roundingIsHalfAwayFromZero() {
    #expect(roundingShiftRight(5, 1) == 3 && roundingShiftRight(-5, 1) == -3 && roundingShiftRight(4, 0) == 4)
    #expect(highMultiply(.min, .min) == .max)
  }

  @Test func exponentialsAgreeWithTheLibrary() {
    for step in -2000...2000 {
      let x = Double(step) / 37
      #expect(abs(exponential(x) / exp(x) - 1) < 4e-16)
      #expect(abs(hyperbolicTangent(x) - tanh(x)) <= 4e-16 * max(abs(tanh(x)), 1e-1))
    }
    #expect(exponential(-1000) == 0 && exponential(1000) == .infinity && hyperbolicTangent(0) == 0)
  }
}

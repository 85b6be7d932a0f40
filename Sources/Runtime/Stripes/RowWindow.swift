import ModelFile
import Tensors

/// Which rows of an operand an operator reads for some rows of its output: output row y reads `reach` rows from
/// y·stride − padding on, as far as they exist.
struct RowWindow: Sendable {
  var stride = 1
  var padding = 0
  var reach = 1
  /// Rows of the operand.
  var rowCount: Int

  /// The first row that output rows from `row` on read.
  func start(from row: Int) -> Int { min(max(0, row * stride - padding), rowCount) }

  /// The end of the rows that output rows before `end` read.
  func end(before end: Int) -> Int {
    end == 0 ? 0 : min(max(0, (end - 1) * stride - padding + reach), rowCount)
  }
}

extension RowWindow {
  init(_ geometry: WindowGeometry) {
    stride = geometry.strideHeight
    padding = geometry.paddingTop
    reach = (geometry.kernelHeight - 1) * geometry.dilationHeight + 1
    rowCount = geometry.inputHeight
  }
}

extension TensorInfo {
  /// Rows of a tensor that is one picture (1,H,…): pieces of equal size that lie one after the other.
  var pictureRowCount: Int? { shape.rank >= 2 && shape[0] == 1 && shape[1] <= ModelLimits.geometryMax ? shape[1] : nil }
}

extension Operator {
  /// For each operand its window, nil for an operand that must be whole; nil where the operator cannot give its output by rows.
  func rowWindows(_ graph: Graph) -> [RowWindow?]? {
    let output = graph.tensors[output]
    guard let rowCount = output.pictureRowCount else { return nil }
    func isPicture(_ geometry: WindowGeometry) -> Bool {
      geometry.batches == 1 && geometry.outputHeight == rowCount
    }
    switch operation {
    case .convolution(let convolution):
      return isPicture(convolution.geometry) ? [RowWindow(convolution.geometry)] : nil
    case .depthwiseConvolution(let convolution):
      let geometry = convolution.geometry
      return isPicture(geometry) && geometry.inputChannels == geometry.outputChannels ? [RowWindow(geometry)] : nil
    case .pool(let pool): return isPicture(pool.geometry) ? [RowWindow(pool.geometry)] : nil
    case .arithmetic(let arithmetic):
      // Calls of a kernel must not reach over a row's end, unless one does for all.
      let lineLength = arithmetic.hasUnitStrides ? arithmetic.extents.last! : 1
      let isOneLine = lineLength == output.byteCount
      guard isOneLine || output.byteCount / rowCount % lineLength == 0 else { return nil }
      return [arithmetic.firstStrides, arithmetic.secondStrides].map {
        $0 == rowMajorStrides(arithmetic.extents) ? RowWindow(rowCount: rowCount) : nil
      }
    case .lookup, .quantize, .dequantize: return [RowWindow(rowCount: rowCount)]
    case .softmax(let softmax): return softmax.rows % rowCount == 0 ? [RowWindow(rowCount: rowCount)] : nil
    case .argExtreme(let extreme): return extreme.outer % rowCount == 0 ? [RowWindow(rowCount: rowCount)] : nil
    case .resize(let resize): return resize.batches == 1 && resize.outputHeight == rowCount ? [nil] : nil
    case .mean, .copy, .reshape: return nil
    }
  }
}

/// Elements from one index to the next along each extent of a dense tensor.
func rowMajorStrides(_ extents: [Int]) -> [Int] {
  var strides: [Int] = []
  var stride = 1
  for extent in extents.reversed() {
    strides.append(stride)
    stride *= extent
  }
  return strides.reversed()
}

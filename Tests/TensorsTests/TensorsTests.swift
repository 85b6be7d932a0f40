import Tensors
import Testing

@Suite struct ShapeTests {
  @Test func countsAndStrides() {
    let shape = Shape([2, 3, 4])
    #expect(shape.elementCount == 24 && shape.checkedElementCount == 24)
    #expect(shape.strides == [12, 4, 1] && shape.stride(of: 0) == 12)
    #expect(shape.rank == 3 && shape[1] == 3 && shape.description == "[2,3,4]")
    #expect(Shape([]).elementCount == 1 && Shape([]).strides.isEmpty && Shape([]).description == "[]")
    #expect(Shape([3, 0]).checkedElementCount == 0)
  }

  @Test func impossibleShapesHaveNoCount() {
    #expect(Shape([-1, 2]).checkedElementCount == nil)
    #expect(Shape([Int.max, 2]).checkedElementCount == nil)
    #expect(Shape([1 << 32, 1 << 31]).checkedElementCount == nil)
    #expect(Shape([1 << 31, 1 << 31]).checkedElementCount == 1 << 62)
    #expect(Shape(Array(repeating: 1, count: Shape.rankMax + 1)).checkedElementCount == nil)
  }
}

@Suite struct ElementTypeTests {
  @Test(arguments: ElementType.allCases) func namesGoBothWays(_ type: ElementType) {
    #expect(ElementType(name: type.name) == type)
    #expect(ElementType(rawValue: type.rawValue) == type)
  }

  @Test func sizes() {
    #expect(ElementType.allCases.map(\.byteCount) == [1, 1, 2, 4, 8, 4, 1, 1])
    #expect(ElementType.allCases.filter(\.isQuantizedByte) == [.uint8, .int8])
    #expect(ElementType(name: "uint8") == nil)
  }
}

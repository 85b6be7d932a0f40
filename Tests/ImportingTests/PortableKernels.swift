import CKernels

// The portable kernels, straight by their symbols: the table of kernels belongs to dispatch.
@_silgen_name("thimble_arithmetic_u8_portable") func arithmeticPortable(_: UnsafePointer<thimble_arithmetic_args>)
@_silgen_name("thimble_pool_u8_portable") func poolPortable(_: UnsafePointer<thimble_pool_args>)
@_silgen_name("thimble_mean_u8_portable") func meanPortable(_: UnsafePointer<thimble_mean_args>)
@_silgen_name("thimble_softmax_u8_portable") func softmaxPortable(_: UnsafePointer<thimble_softmax_args>)
@_silgen_name("thimble_resize_u8_portable") func resizePortable(_: UnsafePointer<thimble_resize_args>)
@_silgen_name("thimble_arg_extreme_u8_portable") func argExtremePortable(_: UnsafePointer<thimble_arg_extreme_args>)
@_silgen_name("thimble_lookup_u8_portable")
func lookupPortable(_: UnsafePointer<UInt8>, _: UnsafePointer<UInt8>, _: UnsafeMutablePointer<UInt8>, _: Int)
@_silgen_name("thimble_quantize_f32_portable")
func quantizePortable(_: UnsafePointer<Float>, _: Float, _: Int32, _: UnsafeMutablePointer<UInt8>, _: Int)
@_silgen_name("thimble_dequantize_u8_portable")
func dequantizePortable(_: UnsafePointer<UInt8>, _: Float, _: Int32, _: UnsafeMutablePointer<Float>, _: Int)
@_silgen_name("thimble_gemm_s8_portable") func gemmPortable(_: UnsafePointer<thimble_gemm_args>)
@_silgen_name("thimble_pixel_bias_portable") func pixelBiasPortable(_: UnsafePointer<thimble_pixel_bias_args>)
@_silgen_name("thimble_depthwise_s8_portable") func depthwisePortable(_: UnsafePointer<thimble_depthwise_args>)

import Protocols

extension QueueConfiguration {
  /// The member `dynamic_batching`.
  func write(to writer: inout JSONWriter) {
    writer.key("dynamic_batching")
    writer.beginObject()
    batches.writeMembers(to: &writer)
    writer.member("priority_levels", levelCount)
    writer.member("default_priority_level", defaultLevel)
    writer.key("default_queue_policy")
    policy.write(to: &writer)
    writer.key("priority_queue_policy")
    writer.beginObject()
    for (level, policy) in policies {
      writer.key("\(level)")
      policy.write(to: &writer)
    }
    writer.endObject()
    writer.endObject()
  }

  /// A bound on that member's bytes.
  var jsonBytesMax: Int { 160 + 192 * (1 + policies.count) + batches.jsonBytesMax }
}

extension QueuePolicy {
  fileprivate func write(to writer: inout JSONWriter) {
    writer.beginObject()
    writer.member("timeout_action", timeoutAction == .reject ? "REJECT" : "DELAY")
    writer.member("default_timeout_microseconds", timeoutMicros)
    writer.key("allow_timeout_override")
    writer.bool(allowsTimeoutOverride)
    writer.member("max_queue_size", requestsMax)
    writer.endObject()
  }
}

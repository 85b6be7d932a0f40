/// What minisign 0.11 wrote for a file of eight bytes, "thimble\n".
enum Sample {
  static let file = Array("thimble\n".utf8)
  static let key = "RWQ94ZgTJzn6NliV5nFFDxEfS8KXpaN5bbLpDIyWhrmRIi58ralCmN8J"
  static let keyFile = "untrusted comment: minisign public key 36FA39271398E13D\n\(key)\n"
  static let signature = """
    untrusted comment: signature from minisign secret key
    RUQ94ZgTJzn6Npaj60eLwXLzezYpJkVGsTTDTJAMMjyX2nur9FqO7IDaMKrKde3MKekRqQNnoNOxFyXBs7mxfPLzGZAQ67dokgk=
    trusted comment: a comment
    cwkM++p8DuxoghiPkMjck2lPYr08mVunYMsIAsikx3SuPqCdyvZ0Ji1tk1trZ61nTTR2f3KtbIRiNSdty0QoDg==

    """
  /// With `minisign -l`.
  static let signatureOfTheFileItself = """
    untrusted comment: signature from minisign secret key
    RWQ94ZgTJzn6NqFjElVY7fiAVR7st+B3SrVeHuYzcIaWnNNsg8eb6olqsFzAOv90AsfYuo+EnjhbApNf5ej1LkaTxqjtqTMVXg0=
    trusted comment: a comment
    c6+R7e5Xx6s6w1RhLr9gpkibYAEwsbWdDHCjxwz+2RuE1vTdnWjRLTbgRgvvMAqevahpoUMdf8iQcfeEqUYTBQ==

    """
}

// A flood of datagrams that no member has sealed fills the socket's buffer, and what members send is lost there: they would
// be suspected. So while there is one, the kernel itself throws away what has another length, version or key id, before it
// takes any room (a classic BPF program, see socket(7): no right is needed for it). In calm there is none, and the agent
// counts each refusal by its reason.
import Gossip

#if canImport(Glibc)
    import Glibc

    enum DatagramFilter {
        /// `struct sock_filter` of linux/filter.h.
        private struct Instruction {
            let code: UInt16
            var ifTrue: UInt8 = 0
            var ifFalse: UInt8 = 0
            let operand: UInt32
        }

        /// `struct sock_fprog`.
        private struct Program {
            let count: UInt16
            let instructions: UnsafeMutablePointer<Instruction>?
        }

        private static let loadLength: UInt16 = 0x80
        private static let loadByte: UInt16 = 0x30
        private static let loadWord: UInt16 = 0x20
        private static let jumpIfEqual: UInt16 = 0x15
        private static let jumpIfGreater: UInt16 = 0x25
        private static let jumpIfAtLeast: UInt16 = 0x35
        private static let answer: UInt16 = 0x06
        /// The program sees the datagram with its UDP header.
        private static let headerBytes: UInt32 = 8

        /// Lets pass what has one of these keys' ids, and drops everything else.
        static func attach(to socket: CInt, keys: [UInt32]) -> Bool {
            // Jumps have eight bits and lead from the next instruction on; a keyring has at most five keys.
            guard keys.count <= 32 else { return false }
            let tests = 6
            func toDrop(from index: Int) -> UInt8 { UInt8(clamping: tests + keys.count - index - 1) }
            var code = [
                Instruction(code: loadLength, operand: 0),
                Instruction(
                    code: jumpIfAtLeast, ifFalse: toDrop(from: 1),
                    operand: headerBytes + UInt32(clamping: DatagramShape.bytesMin)),
                Instruction(
                    code: jumpIfGreater, ifTrue: toDrop(from: 2),
                    operand: headerBytes + UInt32(clamping: DatagramShape.bytesMax)),
                Instruction(code: loadByte, operand: headerBytes),
                Instruction(code: jumpIfEqual, ifFalse: toDrop(from: 4), operand: UInt32(DatagramShape.version)),
                Instruction(code: loadWord, operand: headerBytes + 1),
            ]
            for (index, key) in keys.enumerated() {
                let toPass = UInt8(clamping: keys.count - index)
                code.append(Instruction(code: jumpIfEqual, ifTrue: toPass, operand: key))
            }
            code.append(Instruction(code: answer, operand: 0))
            code.append(Instruction(code: answer, operand: .max))
            let count = UInt16(clamping: code.count)
            return code.withUnsafeMutableBufferPointer { buffer in
                var program = Program(count: count, instructions: buffer.baseAddress)
                return setsockopt(
                    socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, socklen_t(MemoryLayout<Program>.size)) == 0
            }
        }

        static func detach(from socket: CInt) {
            var nothing: CInt = 0
            setsockopt(socket, SOL_SOCKET, SO_DETACH_FILTER, &nothing, socklen_t(MemoryLayout<CInt>.size))
        }

        /// Datagrams that the kernel took for the socket and threw away, since it was bound; it wraps around.
        static func dropped(at socket: CInt) -> UInt32? {
            // The numbers of linux/sock_diag.h: nine of them, the last one is SK_MEMINFO_DROPS.
            var numbers = [UInt32](repeating: 0, count: 9)
            var size = socklen_t(numbers.count * MemoryLayout<UInt32>.size)
            let wanted = size
            guard getsockopt(socket, SOL_SOCKET, SO_MEMINFO, &numbers, &size) == 0, size >= wanted else { return nil }
            return numbers.last
        }
    }
#else
    enum DatagramFilter {
        static func attach(to socket: CInt, keys: [UInt32]) -> Bool { false }
        static func detach(from socket: CInt) {}
        static func dropped(at socket: CInt) -> UInt32? { nil }
    }
#endif

/* The stack machine's opcodes (PROTOCOL.md, "Serialization"); private to serialize*.c. */
#ifndef FF_WIRE_OPCODE_H
#define FF_WIRE_OPCODE_H

enum ff_opcode {
	FF_OP_BUILDTUPLE = '@',
	FF_OP_BYTES = 'A',
	FF_OP_CHANNEL = 'B',
	FF_OP_FALSE = 'C',
	FF_OP_FLOAT = 'D',
	FF_OP_FROZENSET = 'E',
	FF_OP_INT = 'F',
	FF_OP_LONG = 'G',
	FF_OP_LONGINT = 'H',
	FF_OP_LONGLONG = 'I',
	FF_OP_NEWDICT = 'J',
	FF_OP_NEWLIST = 'K',
	FF_OP_NONE = 'L',
	FF_OP_PY2STRING = 'M',
	FF_OP_PY3STRING = 'N',
	FF_OP_SET = 'O',
	FF_OP_SETITEM = 'P',
	FF_OP_STOP = 'Q',
	FF_OP_TRUE = 'R',
	FF_OP_UNICODE = 'S',
	FF_OP_COMPLEX = 'T',
};

#endif

/**
 * What stands on the wire of HTTP/2 (RFC 9113, sections 4, 6, 7 and 11): numbers of frames, flags, settings and
 * errors, and the nine bytes in front of each frame. Who may send what and when is in connection.ts.
 */

/** The client's first bytes (section 3.4). */
export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export const FRAME_HEAD_BYTES = 9;

export const FrameType = {
	DATA: 0,
	HEADERS: 1,
	PRIORITY: 2,
	RST_STREAM: 3,
	SETTINGS: 4,
	PUSH_PROMISE: 5,
	PING: 6,
	GOAWAY: 7,
	WINDOW_UPDATE: 8,
	CONTINUATION: 9,
} as const;

export const Flag = {
	END_STREAM: 0x1,
	ACK: 0x1,
	END_HEADERS: 0x4,
	PADDED: 0x8,
	PRIORITY: 0x20,
} as const;

/** Section 7. */
export const ErrorCode = {
	NO_ERROR: 0,
	PROTOCOL_ERROR: 1,
	INTERNAL_ERROR: 2,
	FLOW_CONTROL_ERROR: 3,
	SETTINGS_TIMEOUT: 4,
	STREAM_CLOSED: 5,
	FRAME_SIZE_ERROR: 6,
	REFUSED_STREAM: 7,
	CANCEL: 8,
	COMPRESSION_ERROR: 9,
	CONNECT_ERROR: 10,
	ENHANCE_YOUR_CALM: 11,
	INADEQUATE_SECURITY: 12,
	HTTP_1_1_REQUIRED: 13,
} as const;

/** Section 6.5.2, RFC 8441 section 3. */
export const SettingId = {
	HEADER_TABLE_SIZE: 1,
	ENABLE_PUSH: 2,
	MAX_CONCURRENT_STREAMS: 3,
	INITIAL_WINDOW_SIZE: 4,
	MAX_FRAME_SIZE: 5,
	MAX_HEADER_LIST_SIZE: 6,
	ENABLE_CONNECT_PROTOCOL: 8,
} as const;

export const MAX_STREAM_ID = 0x7fffffff;
export const MAX_WINDOW_BYTES = 0x7fffffff;
/** Windows before anybody has said otherwise (section 6.9.2). */
export const DEFAULT_WINDOW_BYTES = 65535;
/** The largest payload that every peer takes (section 4.2). */
export const DEFAULT_FRAME_BYTES = 16384;
export const MAX_FRAME_BYTES = 0xffffff;

export function writeFrameHead(
	target: Buffer,
	at: number,
	payloadBytes: number,
	type: number,
	flags: number,
	streamId: number,
): void {
	target[at] = payloadBytes >>> 16;
	target[at + 1] = payloadBytes >>> 8;
	target[at + 2] = payloadBytes;
	target[at + 3] = type;
	target[at + 4] = flags;
	writeUint32(target, at + 5, streamId);
}

export function writeUint32(target: Buffer, at: number, value: number): void {
	target[at] = value >>> 24;
	target[at + 1] = value >>> 16;
	target[at + 2] = value >>> 8;
	target[at + 3] = value;
}

export function readUint24(bytes: Buffer, at: number): number {
	return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
}

export function readUint32(bytes: Buffer, at: number): number {
	return (
		(((bytes[at] as number) << 24) |
			((bytes[at + 1] as number) << 16) |
			((bytes[at + 2] as number) << 8) |
			(bytes[at + 3] as number)) >>>
		0
	);
}

/** Stream identifiers and window increments: the first bit is reserved and ignored. */
export function readUint31(bytes: Buffer, at: number): number {
	return readUint32(bytes, at) & 0x7fffffff;
}

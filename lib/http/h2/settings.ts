/**
 * SETTINGS (RFC 9113, section 6.5): what one end tells the other of itself. Each end has two of these: its own,
 * which hold once the peer has acknowledged them, and the peer's, which hold as soon as they have come.
 */
import {
	DEFAULT_FRAME_BYTES,
	DEFAULT_WINDOW_BYTES,
	ErrorCode,
	MAX_FRAME_BYTES,
	MAX_WINDOW_BYTES,
	readUint32,
	SettingId,
	writeUint32,
} from './frames.js';

export const SETTING_BYTES = 6;

export interface H2Settings {
	headerTableSize: number;
	enablePush: boolean;
	/** Streams that the other end may have open at once; Infinity: not said. */
	maxConcurrentStreams: number;
	initialWindowSize: number;
	maxFrameSize: number;
	/** Names, values and 32 bytes for each field; Infinity: not said. */
	maxHeaderListSize: number;
	enableConnectProtocol: boolean;
}

/** What holds of an end that has said nothing (section 6.5.2). */
export function defaultSettings(): H2Settings {
	return {
		headerTableSize: 4096,
		enablePush: true,
		maxConcurrentStreams: Number.POSITIVE_INFINITY,
		initialWindowSize: DEFAULT_WINDOW_BYTES,
		maxFrameSize: DEFAULT_FRAME_BYTES,
		maxHeaderListSize: Number.POSITIVE_INFINITY,
		enableConnectProtocol: false,
	};
}

/** Takes one setting of the peer; returns what is wrong with it, or NO_ERROR. Unknown ones are ignored. */
export function applySetting(settings: H2Settings, id: number, value: number): number {
	switch (id) {
		case SettingId.HEADER_TABLE_SIZE:
			settings.headerTableSize = value;
			break;
		case SettingId.ENABLE_PUSH:
			if (value > 1) return ErrorCode.PROTOCOL_ERROR;
			settings.enablePush = value === 1;
			break;
		case SettingId.MAX_CONCURRENT_STREAMS:
			settings.maxConcurrentStreams = value;
			break;
		case SettingId.INITIAL_WINDOW_SIZE:
			if (value > MAX_WINDOW_BYTES) return ErrorCode.FLOW_CONTROL_ERROR;
			settings.initialWindowSize = value;
			break;
		case SettingId.MAX_FRAME_SIZE:
			if (value < DEFAULT_FRAME_BYTES || value > MAX_FRAME_BYTES) return ErrorCode.PROTOCOL_ERROR;
			settings.maxFrameSize = value;
			break;
		case SettingId.MAX_HEADER_LIST_SIZE:
			settings.maxHeaderListSize = value;
			break;
		case SettingId.ENABLE_CONNECT_PROTOCOL:
			// Whoever has offered it cannot take it back (RFC 8441, section 3).
			if (value > 1 || (value === 0 && settings.enableConnectProtocol)) return ErrorCode.PROTOCOL_ERROR;
			settings.enableConnectProtocol = value === 1;
			break;
		default:
	}
	return ErrorCode.NO_ERROR;
}

/** A whole payload of SETTINGS, its size looked at before. */
export function applySettings(settings: H2Settings, bytes: Buffer, start: number, end: number): number {
	for (let at = start; at < end; at += SETTING_BYTES) {
		const id = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
		const error = applySetting(settings, id, readUint32(bytes, at + 2));
		if (error !== ErrorCode.NO_ERROR) return error;
	}
	return ErrorCode.NO_ERROR;
}

/** The payload that tells these: only what is not so by default. */
export function encodeSettings(settings: H2Settings): Buffer {
	const defaults = defaultSettings();
	const pairs: number[] = [];
	if (settings.headerTableSize !== defaults.headerTableSize)
		pairs.push(SettingId.HEADER_TABLE_SIZE, settings.headerTableSize);
	if (!settings.enablePush) pairs.push(SettingId.ENABLE_PUSH, 0);
	if (Number.isFinite(settings.maxConcurrentStreams))
		pairs.push(SettingId.MAX_CONCURRENT_STREAMS, settings.maxConcurrentStreams);
	if (settings.initialWindowSize !== defaults.initialWindowSize)
		pairs.push(SettingId.INITIAL_WINDOW_SIZE, settings.initialWindowSize);
	if (settings.maxFrameSize !== defaults.maxFrameSize) pairs.push(SettingId.MAX_FRAME_SIZE, settings.maxFrameSize);
	if (Number.isFinite(settings.maxHeaderListSize))
		pairs.push(SettingId.MAX_HEADER_LIST_SIZE, settings.maxHeaderListSize);
	if (settings.enableConnectProtocol) pairs.push(SettingId.ENABLE_CONNECT_PROTOCOL, 1);
	const payload = Buffer.alloc((pairs.length / 2) * SETTING_BYTES);
	for (let i = 0; i < pairs.length; i += 2) {
		const at = (i / 2) * SETTING_BYTES;
		payload[at + 1] = pairs[i] as number;
		writeUint32(payload, at + 2, pairs[i + 1] as number);
	}
	return payload;
}

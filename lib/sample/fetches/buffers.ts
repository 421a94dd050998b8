/**
 * Fetches from bytes that are not parsed (manual, 7.3.5): lengths, payloads, RDP cookies. A payload that has not
 * come whole is no sample, and makes a condition of `tcp-request content` wait.
 */
import { isResponseSite } from '../sites.js';
import type { ArgumentSpec, CompileContext, Evaluate, FetchDescriptor, FetchNeed, StreamView } from '../types.js';
import { named, numberArgument, optional, plain, required, textArgument } from './define.js';

type Side = 'request' | 'response' | 'either';
type BufferOf = (stream: StreamView) => Buffer | undefined;

const NEEDS: Readonly<Record<Side, FetchNeed>> = {
	request: 'request-bytes',
	response: 'response-bytes',
	either: 'message-bytes',
};

const EMPTY = Buffer.alloc(0);
const requestBytes: BufferOf = (stream) => stream.requestBuffer ?? EMPTY;
const responseBytes: BufferOf = (stream) => stream.responseBuffer ?? EMPTY;

function bufferOf(side: Side, context: CompileContext): BufferOf {
	if (side === 'either') return isResponseSite(context.site) ? responseBytes : requestBytes;
	return side === 'request' ? requestBytes : responseBytes;
}

/** `payload(<offset>,<length>)`; a length of 0 is all that is there. */
function payloadRow(name: string, side: Side): FetchDescriptor {
	return {
		name,
		args: [required('sint'), required('sint')],
		type: 'bin',
		needs: [NEEDS[side]],
		check: ([offset, length]) =>
			(numberArgument(offset) ?? 0) < 0 || (numberArgument(length) ?? 0) < 0
				? 'offset and length must not be negative'
				: undefined,
		compile: (args, context): Evaluate => {
			const buffer = bufferOf(side, context);
			const offset = numberArgument(args[0]) ?? 0;
			const length = numberArgument(args[1]) ?? 0;
			return (stream) => {
				const bytes = buffer(stream);
				if (bytes === undefined || bytes.length < offset + Math.max(length, 1)) return undefined;
				return bytes.subarray(offset, length === 0 ? undefined : offset + length);
			};
		},
		// Of a fixed length, it is there or not; without one it grows.
		compileSettled: (args, context) => {
			const buffer = bufferOf(side, context);
			const end = (numberArgument(args[0]) ?? 0) + (numberArgument(args[1]) ?? 0);
			const isFixed = (numberArgument(args[1]) ?? 0) > 0;
			return (stream) => isFixed && (buffer(stream)?.length ?? 0) >= end;
		},
	};
}

/**
 * `payload_lv(<offset of the length>,<its size>[,<offset of the value>])`: the value whose length stands in the
 * bytes. The last offset counts from the end of the length when it has a sign.
 */
function lengthValueRow(name: string, side: Side): FetchDescriptor {
	const args: readonly ArgumentSpec[] = [required('sint'), required('sint'), optional('string')];
	return {
		name,
		args,
		type: 'bin',
		needs: [NEEDS[side]],
		check: ([offset, size, value]) => {
			if ((numberArgument(offset) ?? 0) < 0) return 'the offset must not be negative';
			const bytes = numberArgument(size) ?? 0;
			if (bytes < 1 || bytes > 6) return 'the size of the length must be between 1 and 6 bytes';
			return /^[+-]?\d*$/.test(textArgument(value) ?? '') ? undefined : `'${String(value)}' is not an offset`;
		},
		compile: (values, context): Evaluate => {
			const buffer = bufferOf(side, context);
			const lengthOffset = numberArgument(values[0]) ?? 0;
			const lengthSize = numberArgument(values[1]) ?? 1;
			const text = textArgument(values[2]) ?? '';
			const afterLength = lengthOffset + lengthSize;
			const valueOffset = text === '' ? afterLength : /^[+-]/.test(text) ? afterLength + Number(text) : Number(text);
			return (stream) => {
				const bytes = buffer(stream);
				if (bytes === undefined || valueOffset < 0 || bytes.length < afterLength) return undefined;
				const length = bytes.readUIntBE(lengthOffset, lengthSize);
				if (length === 0 || bytes.length < valueOffset + length) return undefined;
				return bytes.subarray(valueOffset, valueOffset + length);
			};
		},
	};
}

/** The cookie of an RDP connection request: `Cookie: <name>=<value>` after the TPKT and X.224 headers. */
function rdpCookie(bytes: Buffer, name: string | undefined): string | undefined {
	// TPKT: version 3, 16-bit length; X.224: header length, connection request 0xe0, class 0.
	if (bytes.length < 11 || bytes[0] !== 3 || bytes[5] !== 0xe0) return undefined;
	const text = bytes.toString('latin1', 11);
	const match = /^Cookie: ([^=\r\n]+)=([^\r\n]*)\r\n/i.exec(text);
	if (match === null) return undefined;
	if (name !== undefined && match[1]?.toLowerCase() !== name.toLowerCase()) return undefined;
	return match[2];
}

const RDP_NAMES = ['req.rdp_cookie', 'rdp_cookie'] as const;
const RDP_COUNT_NAMES = ['req.rdp_cookie_cnt', 'rdp_cookie_cnt'] as const;

export const BUFFER_FETCHES: readonly FetchDescriptor[] = [
	...named(
		['req.len', 'req_len'],
		plain('', 'sint', 'request-bytes', (stream) => requestBytes(stream)?.length),
	),
	plain('res.len', 'sint', 'response-bytes', (stream) => responseBytes(stream)?.length),
	payloadRow('req.payload', 'request'),
	payloadRow('res.payload', 'response'),
	payloadRow('payload', 'either'),
	lengthValueRow('req.payload_lv', 'request'),
	lengthValueRow('res.payload_lv', 'response'),
	lengthValueRow('payload_lv', 'either'),
	...named(RDP_NAMES, {
		name: '',
		args: [optional('string')],
		type: 'str',
		needs: ['request-bytes'],
		compile: ([argument]) => {
			const name = textArgument(argument) || undefined;
			return (stream) => rdpCookie(requestBytes(stream) ?? EMPTY, name);
		},
	}),
	...named(RDP_COUNT_NAMES, {
		name: '',
		args: [optional('string')],
		type: 'sint',
		needs: ['request-bytes'],
		compile: ([argument]) => {
			const name = textArgument(argument) || undefined;
			return (stream) => {
				const bytes = requestBytes(stream) ?? EMPTY;
				const found = rdpCookie(bytes, name) !== undefined;
				return found ? 1 : stream.requestBufferComplete || bytes.length >= 11 ? 0 : undefined;
			};
		},
	}),
];

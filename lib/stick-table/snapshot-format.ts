/**
 * The bytes of a snapshot file. No file is opened here.
 *
 *     magic, then frames:   type | payload bytes | CRC-32 of type, length and payload | payload
 *
 *     TABLE     the declaration of a table, as JSON, and the number it has in this file
 *     ENTRIES   table number, tick and wall clock of the copies, then entries
 *     COMMIT    wall clock: everything before it is complete
 *
 * The file is a log: an entry that stands in it twice is as the later one says, and what follows the last
 * COMMIT is ignored. So it can be appended to at any moment, and a crash in the middle of an append costs
 * what the append would have saved and nothing else. Numbers are 32-bit words, little endian, as they stand
 * in a table's records; dates are ticks of the monotonic clock and mean something only beside the tick of
 * their frame, which is why each frame also says what the wall clock was.
 *
 * An entry is its expiry date, then its record from the key on; a table with `server_key` adds the text.
 */
import { crc32 } from 'node:zlib';
import type { StickTableModel } from '../config/model.js';
import { HoldfastError } from '../core/errors.js';
import type { EntryView } from './entry-view.js';
import { EXPIRE, KEY } from './layout.js';

/** The last byte but one is the version of the format. */
export const SNAPSHOT_MAGIC = Buffer.from('HFSNAP\x01\n', 'latin1');

export const Frame = { TABLE: 1, ENTRIES: 2, COMMIT: 3 } as const;

export const FRAME_HEADER_BYTES = 12;
/** Frames of entries are sealed at this size; nothing longer is read. */
const SEAL_BYTES = 256 * 1024;
export const MAX_PAYLOAD_BYTES = 1024 * 1024;
/** Of a frame of entries: table number, tick, wall clock. */
export const ENTRIES_HEADER_WORDS = 4;

/** The part of a declaration that says what the words mean. */
export type TableDeclaration = Pick<
	StickTableModel,
	'name' | 'keyType' | 'keyLengthBytes' | 'size' | 'expireMs' | 'bratesFactor' | 'store'
>;

function frame(type: number, payload: Uint8Array): Buffer {
	const bytes = Buffer.allocUnsafe(FRAME_HEADER_BYTES + payload.length);
	bytes.writeUInt32LE(type, 0);
	bytes.writeUInt32LE(payload.length, 4);
	bytes.set(payload, FRAME_HEADER_BYTES);
	bytes.writeUInt32LE(checksum(bytes, 0, payload), 8);
	return bytes;
}

function checksum(header: Uint8Array, at: number, payload: Uint8Array): number {
	return crc32(payload, crc32(header.subarray(at, at + 8)));
}

export function encodeTable(number: number, model: TableDeclaration): Buffer {
	const { name, keyType, keyLengthBytes, size, expireMs = null, bratesFactor, store } = model;
	const declaration = { number, name, keyType, keyLengthBytes, size, expireMs, bratesFactor, store };
	const text = Buffer.from(JSON.stringify(declaration), 'utf8');
	// Whole words, so that the entries behind it stand at whole words too.
	return frame(Frame.TABLE, Buffer.concat([text, Buffer.alloc(-text.length & 3, ' ')]));
}

export function encodeCommit(wallMs: number): Buffer {
	const payload = Buffer.alloc(8);
	payload.writeDoubleLE(wallMs);
	return frame(Frame.COMMIT, payload);
}

/** Collects entries of one table and gives them as frames. */
export class EntriesEncoder {
	readonly #tableNumber: number;
	readonly #hasServerKey: boolean;
	readonly #words = new Int32Array(MAX_PAYLOAD_BYTES / 4);
	readonly #frames: Buffer[] = [];
	#length = 0;

	constructor(tableNumber: number, hasServerKey: boolean) {
		this.#tableNumber = tableNumber;
		this.#hasServerKey = hasServerKey;
	}

	/** `nowTick` and `wallMs` are those of the copy. All entries of a frame share those of its first. */
	add(view: EntryView, nowTick: number, wallMs: number): void {
		const words = this.#words;
		if (this.#length > 0 && words[1] !== (nowTick | 0)) this.#seal();
		if (this.#length === 0) {
			words[0] = this.#tableNumber;
			words[1] = nowTick;
			new Float64Array(words.buffer, 8, 1)[0] = wallMs;
			this.#length = ENTRIES_HEADER_WORDS;
		}
		words[this.#length++] = view.words[EXPIRE]!;
		for (let i = KEY; i < view.words.length; i++) words[this.#length++] = view.words[i]!;
		if (this.#hasServerKey) {
			const text = Buffer.from(view.serverKeyText, 'latin1');
			words[this.#length++] = text.length;
			const textWords = Math.ceil(text.length / 4);
			words[this.#length + textWords - 1] = 0;
			new Uint8Array(words.buffer, this.#length * 4, text.length).set(text);
			this.#length += textWords;
		}
		if (this.#length * 4 >= SEAL_BYTES) this.#seal();
	}

	/** The frames so far, which are forgotten. */
	take(): Buffer[] {
		this.#seal();
		return this.#frames.splice(0);
	}

	#seal(): void {
		if (this.#length === 0) return;
		this.#frames.push(frame(Frame.ENTRIES, new Uint8Array(this.#words.buffer, 0, this.#length * 4)));
		this.#length = 0;
	}
}

/** A frame that was found at some place of the file. */
export interface FoundFrame {
	readonly type: number;
	/** Not a copy. */
	readonly payload: Buffer;
	/** The bytes of the file that the payload takes. */
	readonly start: number;
	readonly end: number;
}

/** The frame at `at`; undefined when it is not whole or not what it was when it was written. */
export function frameAt(bytes: Buffer, at: number): FoundFrame | undefined {
	const start = at + FRAME_HEADER_BYTES;
	if (start > bytes.length) return undefined;
	const length = bytes.readUInt32LE(at + 4);
	const end = start + length;
	if (length > MAX_PAYLOAD_BYTES || end > bytes.length) return undefined;
	const payload = bytes.subarray(start, end);
	if (bytes.readUInt32LE(at + 8) !== checksum(bytes, at, payload)) return undefined;
	return { type: bytes.readUInt32LE(at), payload, start, end };
}

export function decodeCommit(payload: Buffer): number {
	return payload.readDoubleLE(0);
}

/** Throws SNAPSHOT_INVALID: the checksum was right, so another program wrote it. */
export function decodeTable(payload: Buffer): { readonly number: number; readonly model: StickTableModel } {
	try {
		const text = JSON.parse(payload.toString('utf8')) as TableDeclaration & { number: number; expireMs: number | null };
		const store = text.store.map(({ type, periodMs, count }) => ({ type, periodMs, count }));
		return {
			number: text.number,
			model: {
				...text,
				expireMs: text.expireMs ?? undefined,
				store,
				place: { file: 'snapshot', line: 0 },
				nopurge: false,
				recvOnly: false,
				writeTo: undefined,
				srvkey: 'name',
				peers: undefined,
			},
		};
	} catch (cause) {
		throw new HoldfastError('SNAPSHOT_INVALID', 'a declaration in it cannot be read', { cause });
	}
}

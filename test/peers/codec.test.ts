/** Every recorded message has the annotated meaning and is written again as the same bytes. */
import t from 'tap';
import { IpAddress } from '../../lib/core/address.js';
import {
	decodeAcknowledgement,
	decodeDefinition,
	decodeSwitch,
	LineReader,
	MessageReader,
	type TableDefinition,
	UpdatePlan,
} from '../../lib/peers/decode.js';
import { ReceiveDictionary, TransmitDictionary } from '../../lib/peers/dictionary.js';
import { encodeHello, encodeStatus, MessageWriter } from '../../lib/peers/encode.js';
import { type Column, EntryRecord } from '../../lib/peers/entry-record.js';
import {
	CONTROL,
	ERROR_MESSAGE,
	KEY_TYPE,
	type KeyTypeName,
	MESSAGE_CLASS,
	PeersProtocolError,
	STICK_TABLE_MESSAGE,
	type StatusCode,
} from '../../lib/peers/protocol.js';
import { isHandshake, RECORDED_NAMES, type RecordedMessage, recordedBytes, recordedStreams } from './recorded.js';

const KEY_TYPE_BY_NUMBER: ReadonlyMap<number, KeyTypeName> = new Map<number, KeyTypeName>(
	Object.entries(KEY_TYPE).map(([name, number]) => [number, name as KeyTypeName]),
);

interface KnownTable {
	readonly definition: TableDefinition;
	readonly keyType: KeyTypeName;
	readonly columns: readonly Column[];
	readonly plan: UpdatePlan;
	readonly record: EntryRecord;
	lastId: number;
}

/** Reads one direction of a conversation as a receiver that has every table just as the sender defines it. */
class Interpreter {
	readonly messages: { hex: string; fields: Record<string, unknown>; again: string }[] = [];
	readonly #tables = new Map<number, KnownTable>();
	#current: KnownTable | undefined;
	readonly #received = new ReceiveDictionary();
	readonly #sent = new TransmitDictionary();
	readonly #writer = new MessageWriter();

	message(messageClass: number, type: number, bytes: Uint8Array, start: number, end: number): boolean {
		const fields = this.#fields(messageClass, type, bytes, start, end);
		const again = this.#writer.take().toString('hex');
		const length = type < 128 ? [] : [...Buffer.from(bytes.subarray(start, end))];
		this.messages.push({ hex: Buffer.from([messageClass, type, ...length]).toString('hex'), fields, again });
		return true;
	}

	#fields(messageClass: number, type: number, bytes: Uint8Array, start: number, end: number): Record<string, unknown> {
		if (messageClass === MESSAGE_CLASS.CONTROL) {
			const name = Object.entries(CONTROL).find(([, number]) => number === type);
			if (name === undefined) return { msg: 'unknown', class: messageClass, type };
			this.#writer.control(name[1]);
			return { msg: name[0].toLowerCase(), class: messageClass, type };
		}
		if (messageClass === MESSAGE_CLASS.ERROR) {
			const name = Object.entries(ERROR_MESSAGE).find(([, number]) => number === type);
			if (name === undefined) return { msg: 'unknown', class: messageClass, type };
			this.#writer.error(name[1]);
			return { msg: `error_${name[0].toLowerCase()}`, class: messageClass, type };
		}
		if (messageClass !== MESSAGE_CLASS.STICK_TABLE) return { msg: 'unknown', class: messageClass, type };
		switch (type) {
			case STICK_TABLE_MESSAGE.DEFINITION:
				return this.#define(bytes, start, end);
			case STICK_TABLE_MESSAGE.SWITCH: {
				const id = decodeSwitch(bytes, start, end);
				this.#writer.switchTable(id);
				this.#current = this.#tables.get(id);
				return { msg: 'switch', id };
			}
			case STICK_TABLE_MESSAGE.ACKNOWLEDGEMENT: {
				const { tableId, updateId } = decodeAcknowledgement(bytes, start, end);
				this.#writer.acknowledgement(tableId, updateId);
				return { msg: 'ack', id: tableId, uid: updateId };
			}
			case STICK_TABLE_MESSAGE.UPDATE:
			case STICK_TABLE_MESSAGE.INCREMENTAL_UPDATE:
			case STICK_TABLE_MESSAGE.TIMED_UPDATE:
			case STICK_TABLE_MESSAGE.INCREMENTAL_TIMED_UPDATE:
				return this.#update(type, bytes, start, end);
		}
		return { msg: 'unknown', class: messageClass, type };
	}

	#define(bytes: Uint8Array, start: number, end: number): Record<string, unknown> {
		this.#current = undefined;
		const definition = decodeDefinition(bytes, start, end);
		const { tableId, name, columns, keySize } = definition;
		const keyType = KEY_TYPE_BY_NUMBER.get(definition.keyType);
		this.#tables.delete(tableId);
		if (columns === undefined || keyType === undefined) return { msg: 'malformed' };
		const keyLengthBytes = keyType === 'string' ? keySize - 1 : keySize;
		this.#writer.definition(tableId, {
			wireName: name,
			keyType,
			keyLengthBytes,
			columns,
			expireMs: definition.expireMs,
		});
		const plan = new UpdatePlan(columns, columns, keyType, keyLengthBytes, true);
		const record = new EntryRecord(columns);
		this.#current = { definition, keyType, columns, plan, record, lastId: 0 };
		this.#tables.set(tableId, this.#current);
		const params = columns
			.filter(({ dataType }) => dataType.isArray || dataType.class === 'rate')
			.map(({ dataType, count, periodMs }) => ({
				type: dataType.wireId,
				name: dataType.name,
				...(dataType.isArray ? { nb: count } : {}),
				...(dataType.class === 'rate' ? { period: periodMs } : {}),
			}));
		return {
			msg: 'define',
			id: tableId,
			name,
			ktype: definition.keyType,
			klen: keySize,
			bits: definition.dataTypesHigh * 2 ** 32 + definition.dataTypesLow,
			params: definition.expireMs === undefined ? [] : params,
			...(definition.expireMs === undefined ? {} : { expire: definition.expireMs }),
		};
	}

	#update(type: number, bytes: Uint8Array, start: number, end: number): Record<string, unknown> {
		const table = this.#current;
		if (table === undefined) return { msg: 'malformed' };
		const { record, columns, definition, keyType } = table;
		table.plan.decode(type, bytes, start, end, table.lastId, this.#received, record);
		table.lastId = record.updateId;
		this.#writer.update(type, keyType, columns, record, this.#sent);
		return {
			msg: { 128: 'update', 129: 'incupdate', 133: 'update_timed', 134: 'incupdate_timed' }[type],
			table: definition.name,
			tid: definition.tableId,
			uid: record.updateId,
			...(record.isTimed ? { expire: record.expireMs } : {}),
			key: keyText(keyType, record.keyBytes()),
			vals: Object.fromEntries(columns.flatMap((column) => namedValues(column, record))),
		};
	}
}

/** As the annotations write keys: Python's notation for strings. */
function keyText(keyType: KeyTypeName, key: Buffer): unknown {
	if (keyType === 'integer') return key.readUInt32BE(0);
	if (keyType === 'binary') return `0x${key.toString('hex')}`;
	if (keyType === 'ip') return IpAddress.fromV4(key.readUInt32BE(0)).toString();
	if (keyType === 'ipv6') return `0x${key.toString('hex')}`;
	return `'${key.toString('latin1').replace(/[^ -~]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)}'`;
}

function namedValues(column: Column, record: EntryRecord): [string, unknown][] {
	const { name, isArray } = column.dataType;
	return valuesOf(column, record).map((value, index) => [isArray ? `${name}[${index}]` : name, value]);
}

function valuesOf(column: Column, record: EntryRecord): unknown[] {
	const { dataType, count, wordOffset } = column;
	const { words } = record;
	return Array.from({ length: count }, (_, index) => {
		switch (dataType.class) {
			case 'uint32':
				return words[wordOffset + index];
			case 'int32':
				return words[wordOffset + index]! | 0;
			case 'uint64':
				return Number((BigInt(words[wordOffset + 1]!) << 32n) | BigInt(words[wordOffset]!));
			case 'rate': {
				const at = wordOffset + index * 3;
				return { elapsed: words[at], curr: words[at + 1], prev: words[at + 2] };
			}
			case 'string':
				return record.serverKey ?? null;
		}
		return undefined;
	});
}

/** The annotation, reduced to what a decoder can know: dictionary forms give their string, trailing bytes nothing. */
function annotated(message: RecordedMessage): Record<string, unknown> {
	if (message.fields === undefined) return { msg: 'unknown' };
	const { extra: _extra, note: _note, ...fields } = message.fields;
	const vals = fields.vals as Record<string, unknown> | undefined;
	const key = vals?.server_key as { string?: string; cached?: string } | null | undefined;
	if (typeof fields.key === 'string' && fields.key.includes(':') && !fields.key.startsWith("'")) {
		const bytes = IpAddress.parse(fields.key)?.toV6().v6;
		if (bytes !== undefined) fields.key = `0x${Buffer.from(bytes).toString('hex')}`;
	}
	if (key === undefined || key === null) return fields;
	return { ...fields, vals: { ...vals, server_key: key.string ?? key.cached ?? null } };
}

/**
 * Messages of scripted peers that say what no program would: annotated with what was sent, while a reader sees
 * what may be used of it. Each is one case of section 6.3, 7.1 or 8.4.
 */
const READ_OTHERWISE: readonly (readonly [text: RegExp, expected: (fields: Record<string, unknown>) => unknown])[] = [
	[/data-types=0x800000 \[gpc\]$/, () => ({ msg: 'malformed' })], // an array without its size
	[/^UPDATE table="\/t4" .* gpc\[0\]=9 \| trailing=4d03$/, () => ({ msg: 'malformed' })], // its updates
	[/key='abcdefghijkl'/, (fields) => ({ ...fields, key: "'abcdefgh'" })], // longer than the table's keys
];
/** Forms that are read but never written: unknown data types, no expiry, odd dictionary ids, long keys. */
const NEVER_WRITTEN = /data-types=0x[0-9a-f]{10}|dict id=9 |dict id=128 |abcdefghijkl|^DEFINE (?!.*expire=)/;
/** Annotated as readable, refused by the rules. */
const REFUSED = /^DEFINE table id=3 name="" /;

for (const name of RECORDED_NAMES) {
	t.test(name, async (t) => {
		for (const [stream, messages] of recordedStreams(name)) {
			const framed = messages.filter((message) => !isHandshake(message));
			const interpreter = new Interpreter();
			for (const message of framed) {
				const reader = new MessageReader();
				const { msg } = message.fields ?? { msg: 'unknown' };
				const bytes = Buffer.from(message.hex, 'hex');
				const before = interpreter.messages.length;
				let error: unknown;
				try {
					reader.feed(bytes, 0, interpreter);
				} catch (caught) {
					error = caught;
				}
				if (error !== undefined) {
					t.type(error, PeersProtocolError, `${stream} ${message.text}`);
					t.ok(
						/^(malformed|unknown|update)$/.test(msg) || REFUSED.test(message.text),
						`only wrong messages are refused: ${message.text}`,
					);
					continue;
				}
				const read = interpreter.messages[before];
				if (read === undefined) {
					t.equal(reader.heldBytes, bytes.length, `unfinished: ${message.text}`);
					t.match(msg, /^(malformed|unknown)$/);
					continue;
				}
				const otherwise = READ_OTHERWISE.find(([text]) => text.test(message.text));
				const expected = otherwise === undefined ? annotated(message) : otherwise[1](annotated(message));
				if (msg === 'unknown' || msg === 'malformed') t.match(read.fields.msg, /^(unknown|malformed)$/, message.text);
				else t.strictSame(read.fields, expected, `${stream} ${message.text}`);
				const isCanonical = msg !== 'unknown' && msg !== 'malformed' && otherwise === undefined;
				if (isCanonical && (message.fields?.extra ?? '') === '' && !NEVER_WRITTEN.test(message.text)) {
					t.equal(read.again, message.hex, `${stream} again: ${message.text}`);
				}
			}
		}
	});
}

t.test('every stream gives the same messages whole, byte by byte and at every split point', async (t) => {
	for (const name of RECORDED_NAMES) {
		for (const [stream, bytes] of recordedBytes(name)) {
			const whole = readStream([bytes]);
			t.strictSame(
				readStream(Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))),
				whole,
				`${name} ${stream} byte by byte`,
			);
			let same = true;
			for (let split = 1; split < Math.min(bytes.length, 1500); split++) {
				const parts = readStream([bytes.subarray(0, split), bytes.subarray(split)]);
				if (parts.join() !== whole.join()) {
					same = false;
					t.strictSame(parts, whole, `${name} ${stream} split at ${split}`);
				}
			}
			t.ok(same, `${name} ${stream} at every split point`);
		}
	}
});

/** Lines and messages as texts, and how the stream ended. */
function readStream(chunks: readonly Buffer[]): string[] {
	const out: string[] = [];
	const lines = new LineReader(1024);
	const reader = new MessageReader();
	let lineCount: number | undefined;
	const handler = {
		message(messageClass: number, type: number, bytes: Uint8Array, start: number, end: number): boolean {
			out.push(`${messageClass} ${type} ${Buffer.from(bytes.subarray(start, end)).toString('hex')}`);
			return true;
		},
	};
	try {
		for (const chunk of chunks) {
			let at = 0;
			while (lineCount === undefined || lineCount > 0) {
				at = lines.feed(chunk, at);
				if (at < 0) break;
				lineCount = (lineCount ?? (lines.line.startsWith('HAProxyS') ? 3 : 1)) - 1;
				out.push(lines.line);
			}
			if (at >= 0 && at < chunk.length) reader.feed(chunk, at, handler);
		}
	} catch (error) {
		out.push(String(error));
		return out;
	}
	out.push(`${reader.heldBytes + lines.heldBytes} bytes left`);
	return out;
}

t.test('handshake lines are written as they were recorded', async (t) => {
	for (const name of RECORDED_NAMES) {
		for (const messages of recordedStreams(name).values()) {
			const handshake = messages.filter(isHandshake);
			const text = Buffer.from(handshake.map((message) => message.hex).join(''), 'hex');
			if (handshake[0]?.fields?.msg === 'status' && handshake.length === 1) {
				const code = Number(handshake[0].fields.code) as StatusCode;
				if (text.length === 4) t.equal(encodeStatus(code).toString('hex'), text.toString('hex'));
			}
			const match = /^HAProxyS 2\.1\n([^\n]*)\n([^ \n]*) (\d+) 1\n$/.exec(text.toString('latin1'));
			if (match !== null) {
				t.equal(encodeHello(match[1]!, match[2]!, Number(match[3])).toString('hex'), text.toString('hex'));
			}
		}
	}
});

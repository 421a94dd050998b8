/**
 * The recorded conversations of `test/fixtures/vectors/peers`, and the slow obvious codec that judges the fast
 * one: written from the protocol description alone, with BigInt and arrays of bytes, one step a line, sharing
 * no code with `lib/peers`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../fixtures/vectors/peers/', import.meta.url));

export interface RecordedMessage {
	readonly t: number;
	readonly conn: number;
	readonly dir: string;
	readonly hex: string;
	readonly text: string;
	readonly fields?: { readonly msg: string } & Record<string, unknown>;
}

export const RECORDED_NAMES = readdirSync(ROOT, { withFileTypes: true })
	.filter((entry) => entry.isDirectory() && /^\d/.test(entry.name))
	.map((entry) => entry.name)
	.sort();

export function unitVectors<T>(name: string): T {
	return JSON.parse(readFileSync(`${ROOT}unit/${name}.json`, 'utf8')) as T;
}

/** Annotated messages in order; opening, closing and remarks left out. */
export function recordedMessages(name: string): RecordedMessage[] {
	const all = JSON.parse(readFileSync(`${ROOT}${name}/decode.json`, 'utf8')) as Partial<RecordedMessage>[];
	return all.filter((message): message is RecordedMessage => message.hex !== undefined);
}

/** The messages of each direction of each connection. */
export function recordedStreams(name: string): Map<string, RecordedMessage[]> {
	const streams = new Map<string, RecordedMessage[]>();
	for (const message of recordedMessages(name)) {
		const key = `${message.conn} ${message.dir}`;
		const stream = streams.get(key);
		if (stream === undefined) streams.set(key, [message]);
		else stream.push(message);
	}
	return streams;
}

/** The bytes of each direction of each connection, as they were read from the socket. */
export function recordedBytes(name: string): Map<string, Buffer> {
	const chunks = new Map<string, Buffer[]>();
	for (const line of readFileSync(`${ROOT}${name}/trace.jsonl`, 'utf8').split('\n')) {
		if (line === '') continue;
		const event = JSON.parse(line) as { conn: number; dir: string; hex?: string };
		if (event.hex === undefined) continue;
		const key = `${event.conn} ${event.dir}`;
		const list = chunks.get(key);
		if (list === undefined) chunks.set(key, [Buffer.from(event.hex, 'hex')]);
		else list.push(Buffer.from(event.hex, 'hex'));
	}
	return new Map([...chunks].map(([key, list]) => [key, Buffer.concat(list)]));
}

export function isHandshake(message: RecordedMessage): boolean {
	return message.fields !== undefined && /^(hello\d|status)$/.test(message.fields.msg);
}

/** Section 2, word for word. */
export function slowVarint(value: bigint): number[] {
	const out: number[] = [];
	let v = value;
	if (v < 240n) return [Number(v)];
	out.push(Number((v & 0xffn) | 0xf0n));
	v = (v - 240n) >> 4n;
	while (v >= 128n) {
		out.push(Number((v & 0xffn) | 0x80n));
		v = (v - 128n) >> 7n;
	}
	out.push(Number(v));
	return out;
}

/** Value and bytes used; undefined if the bytes run out. */
export function slowReadVarint(bytes: readonly number[], at: number): [bigint, number] | undefined {
	const first = bytes[at];
	if (first === undefined) return undefined;
	let v = BigInt(first);
	if (first < 240) return [v, 1];
	let shift = 4n;
	for (let used = 2; ; used++) {
		const byte = bytes[at + used - 1];
		if (byte === undefined) return undefined;
		v = BigInt.asUintN(64, v + (BigInt(byte) << shift));
		if (byte < 128) return [v, used];
		shift += 7n;
	}
}

export type SlowClass = 'uint32' | 'int32' | 'uint64' | 'rate' | 'string';
/** Section 8.1, typed in again. */
export const SLOW_TYPES: readonly (readonly [name: string, kind: SlowClass, isArray?: boolean])[] = [
	['server_id', 'int32'],
	['gpt0', 'uint32'],
	['gpc0', 'uint32'],
	['gpc0_rate', 'rate'],
	['conn_cnt', 'uint32'],
	['conn_rate', 'rate'],
	['conn_cur', 'uint32'],
	['sess_cnt', 'uint32'],
	['sess_rate', 'rate'],
	['http_req_cnt', 'uint32'],
	['http_req_rate', 'rate'],
	['http_err_cnt', 'uint32'],
	['http_err_rate', 'rate'],
	['bytes_in_cnt', 'uint64'],
	['bytes_in_rate', 'rate'],
	['bytes_out_cnt', 'uint64'],
	['bytes_out_rate', 'rate'],
	['gpc1', 'uint32'],
	['gpc1_rate', 'rate'],
	['server_key', 'string'],
	['http_fail_cnt', 'uint32'],
	['http_fail_rate', 'rate'],
	['gpt', 'uint32', true],
	['gpc', 'uint32', true],
	['gpc_rate', 'rate', true],
	['glitch_cnt', 'uint32'],
	['glitch_rate', 'rate'],
];

export type SlowValue =
	| bigint
	| { elapsed: bigint; curr: bigint; prev: bigint }
	| string
	| undefined
	| readonly SlowValue[];

export interface SlowColumn {
	readonly id: number;
	readonly count: number;
	readonly period: number;
}

export interface SlowTable {
	readonly id: bigint;
	readonly name: string;
	readonly keyType: number;
	readonly keySize: number;
	readonly columns: readonly SlowColumn[];
	readonly expire: bigint;
}

const bytesOf = (text: string): number[] => [...Buffer.from(text, 'latin1')];
const u32 = (value: number): number[] => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const framed = (type: number, body: readonly number[]): number[] => [
	10,
	type,
	...slowVarint(BigInt(body.length)),
	...body,
];

export function slowDefinition(table: SlowTable): number[] {
	let bits = 0n;
	for (const { id } of table.columns) bits |= 1n << BigInt(id);
	const name = bytesOf(table.name);
	const body = [
		...slowVarint(table.id),
		...slowVarint(BigInt(name.length)),
		...name,
		...slowVarint(BigInt(table.keyType)),
		...slowVarint(BigInt(table.keySize)),
		...slowVarint(bits),
		...slowVarint(table.expire),
	];
	for (const { id, count, period } of table.columns) {
		const [, kind, isArray] = SLOW_TYPES[id] as (typeof SLOW_TYPES)[number];
		if (isArray === true || kind === 'rate') body.push(...slowVarint(BigInt(id)));
		if (isArray === true) body.push(...slowVarint(BigInt(count)));
		if (kind === 'rate') body.push(...slowVarint(BigInt(period)));
	}
	return framed(0x82, body);
}

/** An update with new dictionary strings only: `dictionary` maps string to id and grows, one id per string. */
export function slowUpdate(
	table: SlowTable,
	type: number,
	updateId: number,
	expireMs: number,
	key: readonly number[],
	values: readonly SlowValue[],
	dictionary: Map<string, number>,
): number[] {
	const body: number[] = [];
	if (type === 0x80 || type === 0x85) body.push(...u32(updateId));
	if (type === 0x85 || type === 0x86) body.push(...u32(expireMs));
	if (table.keyType === 6) body.push(...slowVarint(BigInt(key.length)));
	body.push(...key);
	for (const [index, column] of table.columns.entries()) {
		const [, kind, isArray] = SLOW_TYPES[column.id] as (typeof SLOW_TYPES)[number];
		const value = values[index];
		for (const element of isArray === true ? (value as readonly SlowValue[]) : [value]) {
			if (kind === 'uint32' || kind === 'uint64') body.push(...slowVarint(element as bigint));
			else if (kind === 'int32') body.push(...slowVarint(BigInt.asUintN(64, element as bigint)));
			else if (kind === 'rate') {
				const rate = element as { elapsed: bigint; curr: bigint; prev: bigint };
				body.push(...slowVarint(rate.elapsed), ...slowVarint(rate.curr), ...slowVarint(rate.prev));
			} else if (element === undefined) body.push(0);
			else {
				const text = bytesOf(element as string);
				const known = dictionary.get(element as string);
				const id = known ?? (dictionary.size % 128) + 1;
				const inner = slowVarint(BigInt(id));
				if (known === undefined) {
					dictionary.set(element as string, id);
					inner.push(...slowVarint(BigInt(text.length)), ...text);
				}
				body.push(...slowVarint(BigInt(inner.length)), ...inner);
			}
		}
	}
	return framed(type, body);
}

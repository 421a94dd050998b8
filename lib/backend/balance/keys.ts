/**
 * What each hashing algorithm looks at, and its hash: one row per algorithm of `balance` (manual, 4.2).
 * Everything that depends on the configuration only is settled when the closure is made.
 */
import type { BalanceModel, HashTypeModel } from '../../config/model.js';
import { IpAddress } from '../../core/address.js';
import { asciiLower, textOf } from '../../core/bytes.js';
import type { SampleValue, StreamView } from '../../sample/types.js';
import { avalanche, HASH_FUNCTIONS } from '../hash.js';
import type { KeyHash } from './by-key.js';
import { rdpCookie } from './rdp-cookie.js';

/** What `balance hash` may be given: any sample. */
export type HashableSample = SampleValue;

export function createKeyHash(
	balance: BalanceModel,
	hashType: HashTypeModel,
	expression: ((view: StreamView) => HashableSample | undefined) | undefined,
): KeyHash {
	const hash = HASH_FUNCTIONS[hashType.function];
	const finish = hashType.avalanche ? avalanche : (value: number) => value;
	const overText =
		(keyOf: (view: StreamView) => string | undefined): KeyHash =>
		(view) => {
			const key = keyOf(view);
			return key === undefined ? undefined : finish(hash(key));
		};
	switch (balance.algorithm) {
		case 'source':
			return (view) => {
				const value = addressHash(view.session.source);
				return value === undefined ? undefined : finish(value);
			};
		case 'uri':
			return overText((view) => {
				const target = view.request?.target;
				return target === undefined ? undefined : uriKey(target, balance);
			});
		case 'url_param': {
			const { name } = balance;
			return overText((view) => urlParameter(view, name, balance.checkPostBytes !== undefined));
		}
		case 'hdr': {
			const name = asciiLower(balance.name);
			if (!balance.useDomainOnly) return overText((view) => view.request?.headers.get(name) || undefined);
			return overText((view) => {
				const value = view.request?.headers.get(name);
				return value ? mainDomain(value) : undefined;
			});
		}
		case 'hash':
			if (expression === undefined) throw new Error("'balance hash' without its expression");
			return overText((view) => {
				const sample = expression(view);
				return sample === undefined ? undefined : bytesOfSample(sample);
			});
		case 'rdp-cookie':
			return overText((view) => (view.requestBuffer ? rdpCookie(view.requestBuffer, balance.name) : undefined));
		default:
			throw new Error(`'balance ${balance.algorithm}' hashes nothing`);
	}
}

/** The words of an address in network order, combined; no hash function is applied to it. */
function addressHash(source: IpAddress | undefined): number | undefined {
	if (source === undefined) return undefined;
	const bytes = source.toBytes();
	let value = 0;
	for (let at = 0; at < bytes.length; at += 4) {
		const word =
			((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
		value ^= word;
	}
	return value >>> 0;
}

interface UriOptions {
	readonly pathOnly: boolean;
	readonly whole: boolean;
	readonly lengthChars: number;
	readonly depth: number;
}

/** The part of the request target that `balance uri` hashes. */
export function uriKey(target: string, options: UriOptions): string {
	let start = 0;
	if (options.pathOnly && !target.startsWith('/')) {
		const scheme = target.indexOf('://');
		const slash = target.indexOf('/', scheme < 0 ? 0 : scheme + 3);
		start = slash < 0 ? target.length : slash;
	}
	let end = target.length;
	if (options.lengthChars > 0) end = Math.min(end, start + options.lengthChars);
	let slashes = 0;
	for (let at = start; at < end; at++) {
		const code = target.charCodeAt(at);
		if (code === 47) {
			slashes++;
			if (options.depth > 0 && slashes > options.depth) {
				end = at;
				break;
			}
		} else if (code === 63 && !options.whole) {
			end = at;
			break;
		}
	}
	return target.slice(start, end);
}

/** The value of a parameter of the query, else, with `check_post`, of a POST body. */
function urlParameter(view: StreamView, name: string, checkPost: boolean): string | undefined {
	const { request } = view;
	if (request === undefined) return undefined;
	const mark = request.target.indexOf('?');
	const inQuery = mark < 0 ? undefined : parameter(request.target, mark + 1, name);
	if (inQuery !== undefined || !checkPost || request.method !== 'POST' || view.requestBuffer === undefined) {
		return inQuery;
	}
	return parameter(textOf(view.requestBuffer), 0, name);
}

/** `name=value` among those separated by `&`; the value may be empty. */
function parameter(text: string, from: number, name: string): string | undefined {
	for (let start = from; start < text.length; ) {
		const next = text.indexOf('&', start);
		const end = next < 0 ? text.length : next;
		if (text.startsWith(name, start) && text[start + name.length] === '=') {
			return text.slice(start + name.length + 1, end);
		}
		start = end + 1;
	}
	return undefined;
}

/**
 * `haproxy.1wt.eu` -> `1wt` (manual, 4.2 `balance hdr`): the label before the last dot; the whole value
 * when there is none before it. A label is at least one character, so `a..b` gives `a.`, as observed.
 */
export function mainDomain(host: string): string {
	const end = host.lastIndexOf('.');
	if (end <= 0) return host;
	return host.slice(end < 2 ? 0 : host.lastIndexOf('.', end - 2) + 1, end);
}

/** The bytes of a sample as the cast to `bin` makes them (manual, 7.1). */
export function bytesOfSample(sample: SampleValue): string {
	if (typeof sample === 'string') return sample;
	if (Buffer.isBuffer(sample)) return textOf(sample);
	if (sample instanceof IpAddress) return textOf(sample.toBytes());
	const bytes = Buffer.alloc(8);
	bytes.writeBigInt64BE(BigInt.asIntN(64, BigInt(sample)));
	return textOf(bytes);
}

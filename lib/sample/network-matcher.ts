/**
 * Networks and addresses as patterns (manual, 7.1.6): the matcher of `-m ip`.
 */
import { IpAddress } from '../core/address.js';
import { type Matcher, type PatternEntry, removeFrom } from './pattern-entry.js';
import type { SampleValue } from './types.js';
import { readInt, toAddress } from './values.js';

/**
 * Networks by prefix length, longest first, each length a hash of the masked bits. A list has few lengths, so a
 * lookup is a few hash reads; a binary trie of 100,000 networks would be two million objects.
 */
class NetworkTable {
	readonly #v4 = new Map<number, Map<number, PatternEntry>>();
	readonly #v6 = new Map<number, Map<string, PatternEntry>>();
	/** As in `StringHash`. */
	#hides = false;
	#v4Lengths: readonly number[] = [];
	#v6Lengths: readonly number[] = [];

	add(network: IpAddress, prefixLength: number, entry: PatternEntry): void {
		if (network.v6 === undefined) {
			let known = this.#v4.get(prefixLength);
			if (known === undefined) {
				known = new Map();
				this.#v4.set(prefixLength, known);
				this.#v4Lengths = [...this.#v4.keys()].sort((a, b) => b - a);
			}
			if (!known.has(network.v4)) known.set(network.v4, entry);
			else this.#hides = true;
			return;
		}
		let known = this.#v6.get(prefixLength);
		if (known === undefined) {
			known = new Map();
			this.#v6.set(prefixLength, known);
			this.#v6Lengths = [...this.#v6.keys()].sort((a, b) => b - a);
		}
		const key = network.mask(prefixLength).toString();
		if (!known.has(key)) known.set(key, entry);
		else this.#hides = true;
	}

	remove(network: IpAddress, prefixLength: number, entry: PatternEntry): boolean {
		if (this.#hides) return false;
		if (network.v6 === undefined) return removeFrom(this.#v4.get(prefixLength), network.v4, entry);
		return removeFrom(this.#v6.get(prefixLength), network.mask(prefixLength).toString(), entry);
	}

	get hasV6(): boolean {
		return this.#v6Lengths.length > 0;
	}

	findV4(address: IpAddress): PatternEntry | undefined {
		for (const length of this.#v4Lengths) {
			const masked = length === 0 ? 0 : (address.v4 & (-1 << (32 - length))) >>> 0;
			const hit = this.#v4.get(length)?.get(masked);
			if (hit !== undefined) return hit;
		}
		return undefined;
	}

	findV6(address: IpAddress): PatternEntry | undefined {
		for (const length of this.#v6Lengths) {
			const hit = this.#v6.get(length)?.get(address.mask(length).toString());
			if (hit !== undefined) return hit;
		}
		return undefined;
	}
}

/** Networks of one mask that is no prefix, `10.0.0.1/255.0.0.255`: rare, one by one. */
interface MaskedNetwork {
	readonly entry: PatternEntry;
	readonly network: number;
	readonly mask: number;
}

export class NetworkMatcher implements Matcher {
	readonly #networks = new NetworkTable();
	readonly #masked: MaskedNetwork[] = [];

	add(entry: PatternEntry): string | undefined {
		const network = parseNetwork(entry.text);
		if (network === undefined) return `'${entry.text}' is not a valid IPv4 or IPv6 address`;
		const { address } = network;
		if (network.prefixLength !== undefined) this.#networks.add(address, network.prefixLength, entry);
		else this.#masked.push({ entry, network: (address.v4 & network.mask) >>> 0, mask: network.mask });
		return undefined;
	}

	remove(entry: PatternEntry): boolean {
		const network = parseNetwork(entry.text);
		if (network?.prefixLength === undefined) return false;
		return this.#networks.remove(network.address, network.prefixLength, entry);
	}

	/** Across families as manual 7.1.6 says: IPv4 as `::ffff:a.b.c.d`, IPv6 as the IPv4 address it carries. */
	find(value: SampleValue): PatternEntry | undefined {
		const address = toAddress(value);
		if (address === undefined) return undefined;
		if (address.family === 4) {
			const hit = this.#findV4(address);
			// Most lists hold no IPv6 at all: no address is made to look for.
			return hit !== undefined || !this.#networks.hasV6 ? hit : this.#networks.findV6(address.toV6());
		}
		const v4 = carriedV4(address);
		return this.#networks.findV6(address) ?? (v4 === undefined ? undefined : this.#findV4(v4));
	}

	#findV4(address: IpAddress): PatternEntry | undefined {
		const hit = this.#networks.findV4(address);
		if (hit !== undefined || this.#masked.length === 0) return hit;
		return this.#masked.find((one) => (address.v4 & one.mask) >>> 0 === one.network)?.entry;
	}
}

/** The IPv4 address inside an IPv6 one: `::ffff:a.b.c.d`, `::a.b.c.d`, or any address of a 6to4 network. */
function carriedV4(address: IpAddress): IpAddress | undefined {
	const bytes = address.v6;
	if (bytes?.[0] !== 0x20 || bytes[1] !== 0x02) return address.toV4();
	return IpAddress.fromV4(Buffer.from(bytes.buffer, bytes.byteOffset, 16).readUInt32BE(2));
}

interface Network {
	readonly address: IpAddress;
	/** Undefined for an IPv4 mask whose ones are not all in front. */
	readonly prefixLength: number | undefined;
	readonly mask: number;
}

/** `a.b.c.d[/mask]`, with the abbreviations of manual 7.1.6, or `v6[/bits]`. */
export function parseNetwork(text: string): Network | undefined {
	const slash = text.indexOf('/');
	const host = slash < 0 ? text : text.slice(0, slash);
	const maskText = slash < 0 ? undefined : text.slice(slash + 1);
	if (host.includes(':')) {
		const address = IpAddress.parse(host);
		if (address === undefined) return undefined;
		if (maskText !== undefined && !/^\d{1,3}$/.test(maskText)) return undefined;
		const prefixLength = maskText === undefined ? 128 : Number(maskText);
		return prefixLength > 128 ? undefined : { address: address.mask(prefixLength), prefixLength, mask: 0 };
	}
	const v4 = parseAbbreviatedV4(host);
	if (v4 === undefined) return undefined;
	const address = IpAddress.fromV4(v4);
	if (maskText === undefined) return { address, prefixLength: 32, mask: 0xffffffff };
	if (/^\d{1,2}$/.test(maskText)) {
		const prefixLength = Number(maskText);
		return prefixLength > 32 ? undefined : { address: address.mask(prefixLength), prefixLength, mask: 0 };
	}
	const mask = IpAddress.parse(maskText);
	if (mask?.family !== 4) return undefined;
	const ones = Math.clz32(~mask.v4);
	const isPrefix = ones === 32 || (mask.v4 << ones) >>> 0 === 0;
	return { address, prefixLength: isPrefix ? ones : undefined, mask: mask.v4 };
}

/** `127.1` is 127.0.0.1: the last number fills what the others leave. */
function parseAbbreviatedV4(text: string): number | undefined {
	if (!/^\d{1,3}(?:\.\d{1,3}){0,3}$/.test(text)) return undefined;
	const numbers = text.split('.').map((part) => Number(readInt(part)));
	if (numbers.some((one) => one > 255)) return undefined;
	const last = numbers.pop() ?? 0;
	while (numbers.length < 3) numbers.push(0);
	return numbers.reduce((sum, one) => sum * 256 + one, 0) * 256 + last;
}

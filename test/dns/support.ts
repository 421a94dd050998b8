/** Name servers of plain functions for tests of resolutions: what was asked, and answers when the test says so. */
import dns from 'dns-packet';
import type { NameserverModel, ResolversModel } from '../../lib/config/resolvers-model.js';
import type { Transport, TransportListener } from '../../lib/dns/transport.js';

const place = { file: 'test.cfg', line: 1 };

export function section(names: readonly string[] = ['n1'], fields: Partial<ResolversModel> = {}): ResolversModel {
	return {
		place,
		name: 'd',
		nameservers: names.map((name, index): NameserverModel => {
			return { place, name, address: `192.0.2.${index + 1}`, port: 53, transport: 'udp' };
		}),
		acceptedPayloadSize: 512,
		resolveRetries: 3,
		resolveMs: 1000,
		retryMs: 500,
		holdMs: { nx: 3000, refused: 3000, timeout: 3000, other: 3000, valid: 2000, obsolete: 0 },
		...fields,
	};
}

/** One question on its way. */
export class Asked {
	readonly to: string;
	readonly protocol: 'udp' | 'tcp';
	readonly message: dns.DecodedPacket;
	readonly #listener: TransportListener;
	closed = false;

	constructor(to: string, protocol: 'udp' | 'tcp', bytes: Buffer, listener: TransportListener) {
		this.to = to;
		this.protocol = protocol;
		this.message = dns.decode(bytes);
		this.#listener = listener;
	}

	/** `n1 udp AAAA a.test` */
	get text(): string {
		const [question] = this.message.questions ?? [];
		return `${this.to} ${this.protocol} ${question?.type} ${question?.name}`;
	}

	raw(bytes: Buffer): void {
		if (!this.closed) this.#listener.received(bytes);
	}

	answer(
		answers: dns.Answer[],
		fields: Partial<dns.Packet> & { rcode?: number; additionals?: dns.Answer[] } = {},
	): void {
		this.raw(answerTo(this.message, answers, fields));
	}

	code(rcode: number): void {
		this.answer([], { rcode });
	}

	fail(): void {
		if (!this.closed) this.#listener.failed();
	}
}

export function answerTo(
	question: dns.DecodedPacket,
	answers: dns.Answer[],
	{ rcode = 0, flags = 0, ...fields }: Partial<dns.Packet> & { rcode?: number } = {},
): Buffer {
	const { id, questions } = question;
	return dns.encode({ type: 'response', id, questions, answers, flags: flags | rcode, ...fields } as dns.Packet);
}

export const NX = 3;
export const REFUSED = 5;
export const SERVFAIL = 2;

export const a = (name: string, data: string): dns.Answer => ({ type: 'A', name, data, ttl: 1 });
export const aaaa = (name: string, data: string): dns.Answer => ({ type: 'AAAA', name, data, ttl: 1 });
export const cname = (name: string, data: string): dns.Answer => ({ type: 'CNAME', name, data, ttl: 1 });
export const srv = (name: string, target: string, port: number, weight = 0): dns.Answer => ({
	type: 'SRV',
	name,
	ttl: 1,
	data: { target, port, weight, priority: 0 },
});

export class FakeNetwork implements Transport {
	readonly asked: Asked[] = [];

	send(nameserver: NameserverModel, protocol: 'udp' | 'tcp', message: Buffer, listener: TransportListener) {
		const asked = new Asked(nameserver.name, protocol, message, listener);
		this.asked.push(asked);
		return {
			close() {
				asked.closed = true;
			},
		};
	}

	/** What was asked since this was called last. */
	take(): Asked[] {
		return this.asked.splice(0);
	}

	texts(): string[] {
		return this.asked.map(({ text }) => text);
	}
}

/**
 * DNS messages as far as a load balancer needs them: a question for A, AAAA or SRV, and what an answer says (RFC 1035,
 * 2782, 6891). The wire format is the library's; here is which answer is believed and what it means.
 *
 * Believed is only an answer with the question's own number, name and type: everything else on the socket is a
 * stranger's guess or a late packet, and passed over without an end of the waiting (RFC 5452). Aliases are followed
 * within the message (RFC 1034, 3.6.2); one that leads nowhere is an error of its own, as HAProxy counts it.
 */
import dns from 'dns-packet';
import { IpAddress } from '../core/address.js';

export type QuestionType = 'A' | 'AAAA' | 'SRV';

export interface Question {
	/** 0..65535, hard to guess. */
	readonly id: number;
	readonly name: string;
	readonly type: QuestionType;
}

/** One SRV record, with the address of its target where the answer has it among its additional records. */
export interface Service {
	readonly target: string;
	readonly port: number;
	readonly weight: number;
	readonly priority: number;
	readonly address: IpAddress | undefined;
}

export type AnswerFault =
	| 'nx'
	| 'refused'
	/** Another code than these two. */
	| 'other'
	/** No record of the type. */
	| 'empty'
	/** An alias of something that is not there, or a chain without end. */
	| 'cname-error'
	/** Not a DNS message. */
	| 'invalid'
	/** Did not fit: to be asked for again by TCP. */
	| 'truncated';

export type Answer =
	| { readonly kind: 'addresses'; readonly addresses: readonly IpAddress[] }
	| { readonly kind: 'services'; readonly services: readonly Service[] }
	| { readonly kind: 'fault'; readonly fault: AnswerFault }
	/** Not an answer to this question. */
	| { readonly kind: 'stranger' };

const STRANGER: Answer = { kind: 'stranger' };
/** Aliases in a row. */
const MAX_ALIASES = 16;
/** Records of one answer that are looked at; a message of 64 kB may have thousands. */
const MAX_RECORDS = 2048;

/** `payloadBytes`: what is announced to fit into a datagram (RFC 6891, 6.2.3); undefined: no EDNS, as over TCP. */
export function encodeQuestion({ id, name, type }: Question, payloadBytes: number | undefined): Buffer {
	return dns.encode({
		type: 'query',
		id,
		flags: dns.RECURSION_DESIRED,
		questions: [{ name: withoutDot(name), type, class: 'IN' }],
		...(payloadBytes === undefined
			? {}
			: {
					additionals: [
						{ type: 'OPT', name: '.', udpPayloadSize: payloadBytes, flags: 0, options: [] } as unknown as dns.OptAnswer,
					],
				}),
	});
}

const fault = (what: AnswerFault): Answer => ({ kind: 'fault', fault: what });

export function decodeAnswer(bytes: Buffer, question: Question): Answer {
	// Of a stranger is everything with another number; cheaper to see than to decode.
	if (bytes.length < 12 || bytes.readUInt16BE(0) !== question.id) return STRANGER;
	let message: dns.DecodedPacket;
	try {
		message = dns.decode(bytes);
	} catch {
		return fault('invalid');
	}
	const [asked] = message.questions ?? [];
	if (message.type !== 'response' || message.questions?.length !== 1 || asked === undefined) return STRANGER;
	if (!sameName(asked.name, question.name) || asked.type !== question.type) return STRANGER;
	if (message.flag_tc) return fault('truncated');
	switch ((message as { readonly rcode?: string }).rcode) {
		case 'NOERROR':
			break;
		case 'NXDOMAIN':
			return fault('nx');
		case 'REFUSED':
			return fault('refused');
		default:
			return fault('other');
	}
	const answers = (message.answers ?? []).slice(0, MAX_RECORDS);
	const name = followAliases(answers, question.name);
	if (name === undefined) return fault('cname-error');
	const isAlias = !sameName(name, question.name);
	if (question.type === 'SRV') {
		const services = readServices(answers, name, (message.additionals ?? []).slice(0, MAX_RECORDS));
		if (services.length > 0) return { kind: 'services', services };
	} else {
		const addresses = readAddresses(answers, name, question.type);
		if (addresses.length > 0) return { kind: 'addresses', addresses };
	}
	return fault(isAlias ? 'cname-error' : 'empty');
}

/** Where the aliases of a name lead; undefined when they do not end. */
function followAliases(answers: readonly dns.Answer[], from: string): string | undefined {
	let name = from;
	for (let step = 0; step <= MAX_ALIASES; step++) {
		const alias = answers.find((record) => record.type === 'CNAME' && sameName(record.name, name));
		if (alias?.type !== 'CNAME') return name;
		name = alias.data;
	}
	return undefined;
}

function readAddresses(records: readonly dns.Answer[], name: string, type: 'A' | 'AAAA'): IpAddress[] {
	const found: IpAddress[] = [];
	for (const record of records) {
		if (record.type !== type || !sameName(record.name, name)) continue;
		const address = IpAddress.parse(record.data);
		if (address === undefined || address.family !== (type === 'A' ? 4 : 6)) continue;
		if (!found.some((known) => known.toString() === address.toString())) found.push(address);
	}
	return found;
}

function readServices(records: readonly dns.Answer[], name: string, additionals: readonly dns.Answer[]): Service[] {
	const addressOf = new Map<string, IpAddress>();
	for (const record of additionals) {
		if (record.type !== 'A' && record.type !== 'AAAA') continue;
		const address = IpAddress.parse(record.data);
		const key = withoutDot(record.name).toLowerCase();
		if (address !== undefined && !addressOf.has(key)) addressOf.set(key, address);
	}
	const found: Service[] = [];
	for (const record of records) {
		if (record.type !== 'SRV' || !sameName(record.name, name)) continue;
		const { target, port, weight = 0, priority = 0 } = record.data;
		// A target of "." says that the service is decidedly not offered (RFC 2782).
		if (withoutDot(target) === '' || port === 0) continue;
		found.push({
			target: withoutDot(target),
			port,
			weight,
			priority,
			address: addressOf.get(withoutDot(target).toLowerCase()),
		});
	}
	return found;
}

export const withoutDot = (name: string): string => (name.endsWith('.') ? name.slice(0, -1) : name);

/** Names differ in nothing but their case (RFC 4343). */
export function sameName(a: string, b: string): boolean {
	return withoutDot(a).toLowerCase() === withoutDot(b).toLowerCase();
}

/** OCSP responses (RFC 6960, section 4.2), as far as one is stapled to a certificate: whose it is, what it says, until when. */
import { createHash, type X509Certificate } from 'node:crypto';
import { type Element, elementAt, elementsOf, readObjectIdentifier } from '../core/der.js';
import { issuerBytes } from './certificate.js';

export interface OcspResponse {
	/** The certificate's identity in it, DER: what `show ssl ocsp-response` calls its key. */
	readonly id: Buffer;
	readonly hashName: string;
	readonly issuerNameHash: Buffer;
	readonly issuerKeyHash: Buffer;
	readonly serial: Buffer;
	readonly status: 'good' | 'revoked' | 'unknown';
	readonly responder: Buffer;
	readonly producedAt: Date;
	readonly thisUpdate: Date;
	readonly nextUpdate: Date | undefined;
}

const SEQUENCE = 0x30;
const GENERALIZED_TIME = 0x18;
const EXPLICIT_0 = 0xa0;
const STATUSES: ReadonlyMap<number, OcspResponse['status']> = new Map([
	[0x80, 'good'],
	[0xa1, 'revoked'],
	[0x82, 'unknown'],
]);
const HASHES: ReadonlyMap<string, string> = new Map([
	['1.3.14.3.2.26', 'sha1'],
	['2.16.840.1.101.3.4.2.1', 'sha256'],
	['2.16.840.1.101.3.4.2.2', 'sha384'],
	['2.16.840.1.101.3.4.2.3', 'sha512'],
]);

/** A sentence of the reference: what is wrong with it. */
export function readOcspResponse(der: Buffer): OcspResponse | string {
	const unreadable = 'Unable to parse OCSP response.';
	const whole = elementAt(der, 0);
	if (whole?.tag !== SEQUENCE || whole.end !== der.length) return unreadable;
	const [status, bytes] = elementsOf(whole.content);
	if (status?.content.length !== 1) return unreadable;
	if (status.content[0] !== 0) return 'OCSP response status not successful.';
	const basic = elementsOf(elementAt(bytes?.content ?? Buffer.alloc(0), 0)?.content ?? Buffer.alloc(0))[1];
	const signed = elementsOf(elementAt(basic?.content ?? Buffer.alloc(0), 0)?.content ?? Buffer.alloc(0))[0];
	if (signed?.tag !== SEQUENCE) return unreadable;
	// [0] version, responder, producedAt, responses: the version is absent as a rule.
	const fields = elementsOf(signed.content);
	const first = fields[0]?.tag === EXPLICIT_0 ? 1 : 0;
	const [responder, producedAt, responses] = fields.slice(first);
	if (responder === undefined || producedAt === undefined || responses?.tag !== SEQUENCE) return unreadable;
	const singles = elementsOf(responses.content);
	const [single] = singles;
	if (single === undefined || singles.length !== 1) return 'OCSP response contains not exactly one single response.';
	return readSingle(single, responder, producedAt) ?? unreadable;
}

function readSingle(single: Element, responder: Element, producedAt: Element): OcspResponse | undefined {
	const [id, status, thisUpdate, next] = elementsOf(single.content);
	if (id?.tag !== SEQUENCE || status === undefined || thisUpdate?.tag !== GENERALIZED_TIME) return undefined;
	const [algorithm, name, key, serial] = elementsOf(id.content);
	const identifier = algorithm === undefined ? undefined : elementAt(algorithm.content, 0);
	const said = STATUSES.get(status.tag);
	if (identifier === undefined || name === undefined || key === undefined || serial === undefined) return undefined;
	if (said === undefined) return undefined;
	const nextUpdate = next?.tag === EXPLICIT_0 ? elementAt(next.content, 0) : undefined;
	return {
		id: single.content.subarray(0, id.end),
		hashName: HASHES.get(readObjectIdentifier(identifier.content)) ?? '',
		issuerNameHash: name.content,
		issuerKeyHash: key.content,
		serial: serial.content,
		status: said,
		responder: responder.content,
		producedAt: dateOf(producedAt),
		thisUpdate: dateOf(thisUpdate),
		nextUpdate: nextUpdate === undefined ? undefined : dateOf(nextUpdate),
	};
}

/** `20261123111951Z` */
function dateOf({ content }: Element): Date {
	const [, year, month, day, hours, minutes, seconds] =
		/^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/.exec(content.toString('latin1'))?.map(Number) ?? [];
	return new Date(Date.UTC(year ?? 0, (month ?? 1) - 1, day, hours, minutes, seconds));
}

/** Whether it was made for a certificate: by the number, and by the name of who has signed it. */
export function isResponseFor(response: OcspResponse, certificate: X509Certificate): boolean {
	const issuer = issuerBytes(certificate);
	if (issuer === undefined || response.hashName === '') return false;
	if (BigInt(`0x${response.serial.toString('hex') || '0'}`) !== BigInt(`0x${certificate.serialNumber}`)) return false;
	return createHash(response.hashName).update(issuer).digest().equals(response.issuerNameHash);
}

/** What keeps a response from being used; undefined: nothing does. */
export function refusalOf(response: OcspResponse, nowMs: number): string | undefined {
	if (response.status === 'unknown') return 'OCSP single response: certificate status is unknown.';
	if (response.nextUpdate !== undefined && response.nextUpdate.getTime() < nowMs) {
		return 'OCSP single response: no longer valid.';
	}
	return undefined;
}

const hexadecimal = (bytes: Buffer): string => bytes.toString('hex').toUpperCase();

/** `Nov 23 11:19:51 2026 GMT` */
function shownDate(date: Date): string {
	const [, day, month, year, time] = /^\w+, (\d+) (\w+) (\d+) (\S+)/.exec(date.toUTCString()) ?? [];
	return `${month} ${Number(day)} ${time} ${year} GMT`.replace(/^(\w+) (\d) /, '$1  $2 ');
}

/** As the list of `show ssl ocsp-response` has it. */
export function responseEntry(response: OcspResponse): string {
	return [
		`Certificate ID key : ${response.id.toString('hex')}`,
		' Certificate ID:',
		`   Issuer Name Hash: ${hexadecimal(response.issuerNameHash)}`,
		`   Issuer Key Hash: ${hexadecimal(response.issuerKeyHash)}`,
		`   Serial Number: ${hexadecimal(response.serial)}`,
		'',
	].join('\n');
}

/** What it says, in the words of `openssl ocsp -resp_text`; its signature and the responder's certificate are left out. */
export function responseText(response: OcspResponse): string {
	return [
		'OCSP Response Data:',
		'    OCSP Response Status: successful (0x0)',
		'    Response Type: Basic OCSP Response',
		`    Produced At: ${shownDate(response.producedAt)}`,
		'    Responses:',
		'    Certificate ID:',
		`      Hash Algorithm: ${response.hashName}`,
		`      Issuer Name Hash: ${hexadecimal(response.issuerNameHash)}`,
		`      Issuer Key Hash: ${hexadecimal(response.issuerKeyHash)}`,
		`      Serial Number: ${hexadecimal(response.serial)}`,
		`    Cert Status: ${response.status}`,
		`    This Update: ${shownDate(response.thisUpdate)}`,
		...(response.nextUpdate === undefined ? [] : [`    Next Update: ${shownDate(response.nextUpdate)}`]),
		'',
	].join('\n');
}

/**
 * What is stapled to certificates (management guide, 9.3 `set ssl ocsp-response`, `show ssl ocsp-response`): a response finds
 * its certificate by what it says itself.
 */
import { X509Certificate } from 'node:crypto';
import type { TlsFiles } from '../../frontend/tls-files.js';
import {
	isResponseFor,
	type OcspResponse,
	readOcspResponse,
	refusalOf,
	responseEntry,
	responseText,
} from '../../sample/ocsp.js';
import { type Answer, type Command, fault, type Invocation, info } from '../command.js';

const NO_BASE64 = "'set ssl ocsp-response' received invalid base64 encoded response.";

function setResponse({ view, words, payload }: Invocation): Answer {
	const text = (payload ?? words[3] ?? '').replace(/\s+/g, '');
	if (text === '') return fault("'set ssl ocsp-response' expects response in base64 encoding.");
	if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return fault(NO_BASE64);
	const response = readOcspResponse(Buffer.from(text, 'base64'));
	if (typeof response === 'string') return fault(response);
	const refusal = refusalOf(response, Date.now());
	if (refusal !== undefined) return fault(refusal);
	const files = view.tlsFiles;
	const paths = files === undefined ? [] : pathsFor(response, files);
	if (files === undefined || paths.length === 0) {
		return fault('OCSP single response: Certificate ID does not match any certificate or issuer.');
	}
	for (const path of paths) {
		const file = files.certificates.get(path);
		if (file !== undefined) files.commitCertificate(path, { ...file, ocsp: text });
	}
	return info('OCSP Response updated!');
}

/** Certificates that it was made for. */
function pathsFor(response: OcspResponse, files: TlsFiles): string[] {
	return [...files.certificates].flatMap(([path, { pem }]) => {
		try {
			return isResponseFor(response, new X509Certificate(pem)) ? [path] : [];
		} catch {
			// `new ssl cert`, and nothing set yet.
			return [];
		}
	});
}

function responsesOf(files: TlsFiles | undefined): OcspResponse[] {
	const found = new Map<string, OcspResponse>();
	for (const { ocsp } of files?.certificates.values() ?? []) {
		const response = ocsp === undefined ? undefined : readOcspResponse(Buffer.from(ocsp, 'base64'));
		if (response !== undefined && typeof response !== 'string') found.set(response.id.toString('hex'), response);
	}
	return [...found.values()];
}

function showResponses({ view, words }: Invocation): Answer {
	const responses = responsesOf(view.tlsFiles);
	const id = words[3];
	if (id === undefined) return `# Certificate IDs\n${responses.map(responseEntry).join('')}`;
	const found = responses.find((response) => response.id.toString('hex') === id.toLowerCase());
	return found === undefined ? fault('Certificate ID does not match any certificate.') : responseText(found);
}

export const OCSP_COMMANDS: readonly Command[] = [
	{
		words: ['set', 'ssl', 'ocsp-response'],
		level: 'admin',
		usage: 'set ssl ocsp-response <response|payload>',
		help: 'staple a response, in base64, to the certificate that it was made for',
		run: setResponse,
	},
	{
		words: ['show', 'ssl', 'ocsp-response'],
		level: 'operator',
		usage: 'show ssl ocsp-response [<id>]',
		help: 'list the responses that are stapled, or show one',
		run: showResponses,
	},
];

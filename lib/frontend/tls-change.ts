/**
 * What the runtime API changes of certificates (management guide, 9.3 `set ssl cert`, `add ssl crt-list`, ...): told to
 * every data thread, and applied there to each bind line and server that uses the file.
 */
import type { BindTlsModel, CertificateModel } from '../config/model.js';

export type TlsChange =
	/** A certificate file has another content. */
	| {
			readonly kind: 'certificate';
			readonly path: string;
			readonly pem: string;
			readonly key: string;
			readonly ocsp: string | undefined;
	  }
	/** A `ca-file` or `crl-file` has. */
	| { readonly kind: 'authorities' | 'revocations'; readonly path: string; readonly text: string }
	/** A line comes into a `crt-list`, at its end. */
	| { readonly kind: 'list-add'; readonly list: string; readonly certificate: CertificateModel }
	| { readonly kind: 'list-remove'; readonly list: string; readonly line: number }
	/** A key comes to a `tls-ticket-keys` file, the oldest goes. */
	| { readonly kind: 'ticket-key'; readonly path: string; readonly key: string };

/** A bind line after a change; the very same one if it is not concerned. */
export function changedTls(model: BindTlsModel, change: TlsChange): BindTlsModel {
	switch (change.kind) {
		case 'certificate': {
			const { path, pem, key, ocsp } = change;
			if (!model.certificates.some((certificate) => certificate.path === path)) return model;
			const certificates = model.certificates.map((certificate) =>
				certificate.path === path ? { ...certificate, pem, key, ocsp } : certificate,
			);
			return { ...model, certificates };
		}
		case 'authorities':
			return changedFile(model, 'caFile', 'ca', change.path, change.text);
		case 'revocations':
			return changedFile(model, 'crlFile', 'crl', change.path, change.text);
		case 'list-add':
			// A list that has lost its last line is still the line's own.
			if (!model.crtLists?.includes(change.list)) return model;
			return { ...model, certificates: [...model.certificates, change.certificate] };
		case 'list-remove': {
			const certificates = model.certificates.filter(
				({ listed }) => listed?.list !== change.list || listed.line !== change.line,
			);
			return certificates.length === model.certificates.length ? model : { ...model, certificates };
		}
		case 'ticket-key': {
			const { ticketKeys } = model;
			if (ticketKeys?.path !== change.path) return model;
			return { ...model, ticketKeys: { path: change.path, keys: [...ticketKeys.keys.slice(1), change.key] } };
		}
	}
}

function changedFile(
	model: BindTlsModel,
	fileField: 'caFile' | 'crlFile',
	textField: 'ca' | 'crl',
	path: string,
	text: string,
): BindTlsModel {
	const certificates = model.certificates.map((certificate) =>
		certificate.options?.[fileField] === path
			? { ...certificate, options: { ...certificate.options, [textField]: text } }
			: certificate,
	);
	const isOwn = model[fileField] === path;
	if (!isOwn && certificates.every((one, index) => one === model.certificates[index])) return model;
	return { ...model, certificates, ...(isOwn ? { [textField]: text } : {}) };
}

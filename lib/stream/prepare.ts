/**
 * The passes over a request and a response that are not rules: captures for the log, and the fields that
 * options add before a request is forwarded. Each is one named function; `prepareRequest` is their order.
 */
import type { ProxyModel } from '../config/model.js';
import { IpAddress } from '../core/address.js';
import type { HeaderList } from '../http/message.js';
import type { CaptureSlot } from '../sample/capture-slots.js';
import type { Stream } from './stream.js';

type ForwardFor = NonNullable<ProxyModel['options']['forwardfor']>;

export function prepareRequest(stream: Stream): void {
	const frontendOptions = stream.frontend.model.options;
	const backendOptions = stream.backendTraffic?.model.options;
	if (frontendOptions.forwardfor !== undefined || backendOptions?.forwardfor !== undefined) {
		addForwardedFor(stream, frontendOptions.forwardfor, backendOptions?.forwardfor);
	}
	const originalto = backendOptions?.originalto ?? frontendOptions.originalto;
	if (originalto !== undefined) addOriginalTo(stream, originalto);
	const forwarded = stream.backendTraffic?.forwarded?.render(stream);
	if (forwarded !== undefined) stream.request?.headers.add('forwarded', forwarded);
	if (stream.frontend.model.uniqueIdHeader !== undefined) addUniqueId(stream, stream.frontend.model.uniqueIdHeader);
}

/**
 * `option forwardfor` (manual, 4.2): the backend's field name wins, a frontend's or backend's `except` both
 * hold, and `if-none` only when each side that has the option says so.
 */
function addForwardedFor(stream: Stream, front: ForwardFor | undefined, back: ForwardFor | undefined): void {
	const { request, session } = stream;
	const { source } = session;
	if (request === undefined || source === undefined) return;
	if (isExcepted(source, front?.exceptNetwork) || isExcepted(source, back?.exceptNetwork)) return;
	const name = (back ?? front)?.headerName.toLowerCase() ?? 'x-forwarded-for';
	const ifNone = (front === undefined || front.ifNone) && (back === undefined || back.ifNone);
	if (ifNone && request.headers.has(name)) return;
	request.headers.add(name, source.toString());
}

function addOriginalTo(
	stream: Stream,
	option: { readonly exceptNetwork: string | undefined; readonly headerName: string },
): void {
	const { destination } = stream.session;
	if (destination === undefined || isExcepted(destination, option.exceptNetwork)) return;
	stream.request?.headers.add(option.headerName.toLowerCase(), destination.toString());
}

function addUniqueId(stream: Stream, name: string): void {
	const id = stream.uniqueId();
	if (id !== undefined) stream.request?.headers.add(name.toLowerCase(), id);
}

interface Network {
	readonly address: IpAddress;
	readonly prefixLength: number;
}

/** Networks by their text; the texts come from the configuration, so there are few. */
const networks = new Map<string, Network | undefined>();

function networkOf(text: string): Network | undefined {
	if (networks.has(text)) return networks.get(text);
	const [host = '', length] = text.split('/');
	const address = IpAddress.parse(host);
	const prefixLength = length === undefined ? (address?.family === 6 ? 128 : 32) : Number(length);
	const network = address === undefined ? undefined : { address: address.mask(prefixLength), prefixLength };
	networks.set(text, network);
	return network;
}

function isExcepted(address: IpAddress, text: string | undefined): boolean {
	if (text === undefined) return false;
	const network = networkOf(text);
	return (
		network !== undefined &&
		address.family === network.address.family &&
		address.mask(network.prefixLength).equals(network.address)
	);
}

/** `capture request header`: the last value of each field (manual, 4.2), and the captured cookie. */
export function captureRequest(stream: Stream): void {
	const headers = stream.request?.headers;
	if (headers === undefined) return;
	capture(headers, stream.frontend.requestCaptureSlots, (slot, value) => stream.setRequestCapture(slot, value));
}

export function captureResponse(stream: Stream): void {
	const headers = stream.response?.headers;
	if (headers === undefined) return;
	capture(headers, stream.frontend.responseCaptureSlots, (slot, value) => stream.setResponseCapture(slot, value));
}

function capture(headers: HeaderList, slots: readonly CaptureSlot[], set: (slot: number, value: string) => void): void {
	for (let slot = 0; slot < slots.length; slot++) {
		const name = slots[slot]?.headerName;
		if (name === undefined) continue;
		const index = headers.names.lastIndexOf(name.toLowerCase());
		if (index >= 0) set(slot, headers.values[index] as string);
	}
}

/** `capture cookie`: `name=value` of the first cookie of that name, or with that prefix. */
export function captureCookies(stream: Stream): void {
	const wanted = stream.frontend.model.cookieCapture;
	if (wanted === undefined) return;
	if (stream.response === undefined) {
		stream.cookieCapture = findCookie(stream.request?.headers, 'cookie', wanted)?.slice(0, wanted.length);
	} else {
		stream.serverCookieCapture = findCookie(stream.response.headers, 'set-cookie', wanted)?.slice(0, wanted.length);
	}
}

function findCookie(
	headers: HeaderList | undefined,
	field: 'cookie' | 'set-cookie',
	wanted: { readonly name: string; readonly prefix: boolean },
): string | undefined {
	if (headers === undefined) return undefined;
	for (let index = headers.indexOf(field); index >= 0; index = headers.indexOf(field, index + 1)) {
		const value = headers.values[index] as string;
		// A Set-Cookie field has one cookie, then attributes.
		const cookies = field === 'cookie' ? value.split(';') : [value.split(';', 1)[0] as string];
		for (const cookie of cookies) {
			const text = cookie.trim();
			const name = text.split('=', 1)[0] as string;
			if (wanted.prefix ? name.startsWith(wanted.name) : name === wanted.name) return text;
		}
	}
	return undefined;
}

/**
 * The normalizers of `http-request normalize-uri` (manual, 4.2; RFC 3986, section 6): each changes one thing about a
 * request target and nothing else. Undefined: refused by `strict`.
 */
import { pathStart } from './uri.js';

/** Letters, digits, `-._~`: never different when they are percent-encoded (RFC 3986, section 2.3). */
const UNRESERVED = /[A-Za-z0-9._~-]/;
const ESCAPE = /%([0-9A-Fa-f]{2})?/g;

export type Normalizer = (target: string) => string | undefined;

/** `#` as `%23`, from clients that do not encode it. */
export const encodeFragment: Normalizer = (target) => target.replaceAll('#', '%23');

/** A fragment is the client's own and should not have been sent. */
export const stripFragment: Normalizer = (target) => {
	const at = target.indexOf('#');
	return at < 0 ? target : target.slice(0, at);
};

/** Changes the path and leaves what is before and after it. */
function onPath(target: string, change: (path: string) => string): string {
	const start = pathStart(target);
	if (start < 0) return target;
	const length = target.slice(start).search(/[?#]/);
	const end = length < 0 ? target.length : start + length;
	return target.slice(0, start) + change(target.slice(start, end)) + target.slice(end);
}

/** `//` is `/`. */
export const mergeSlashes: Normalizer = (target) => onPath(target, (path) => path.replace(/\/{2,}/g, '/'));

/** Segments `.` go. */
export const stripDot: Normalizer = (target) =>
	onPath(target, (path) => {
		const segments = path.split('/').slice(1);
		const kept = segments.filter((segment) => segment !== '.');
		if (segments.at(-1) === '.') kept.push('');
		return `/${kept.join('/')}`;
	});

/** Segments `..` go with the one before them; those that nothing stands before stay, or go too when `full`. */
function stripDotDot(target: string, full: boolean): string {
	return onPath(target, (path) => {
		const segments = path.split('/').slice(1);
		const kept: string[] = [];
		for (const segment of segments) {
			if (segment !== '..') kept.push(segment);
			else if (kept.length > 0 && kept.at(-1) !== '..') kept.pop();
			else if (!full) kept.push('..');
		}
		if (segments.at(-1) === '..') kept.push('');
		return `/${kept.join('/')}`;
	});
}

export const stripDotDotKeepingFirst: Normalizer = (target) => stripDotDot(target, false);
export const stripDotDotFully: Normalizer = (target) => stripDotDot(target, true);

/** Every `%XX`; one that is none is left, or refuses the target when `strict`. */
function onEscapes(target: string, strict: boolean, change: (hex: string) => string): string | undefined {
	let broken = false;
	const changed = target.replace(ESCAPE, (whole, hex: string | undefined) => {
		if (hex !== undefined) return change(hex);
		broken = true;
		return whole;
	});
	return broken && strict ? undefined : changed;
}

const decodeUnreserved =
	(strict: boolean): Normalizer =>
	(target) =>
		onEscapes(target, strict, (hex) => {
			const char = String.fromCharCode(Number.parseInt(hex, 16));
			return UNRESERVED.test(char) ? char : `%${hex}`;
		});

const upperCase =
	(strict: boolean): Normalizer =>
	(target) =>
		onEscapes(target, strict, (hex) => `%${hex.toUpperCase()}`);

/** Parameters by their names; those of one name keep their order. An empty one at the end is lost. */
export const sortQuery: Normalizer = (target) => {
	const mark = target.indexOf('?');
	if (mark < 0) return target;
	const hash = target.indexOf('#', mark);
	const query = target.slice(mark + 1, hash < 0 ? undefined : hash);
	const parameters = query.split('&');
	if (parameters.at(-1) === '') parameters.pop();
	const nameOf = (parameter: string): string => parameter.split('=', 1)[0] as string;
	parameters.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0));
	return target.slice(0, mark + 1) + parameters.join('&') + (hash < 0 ? '' : target.slice(hash));
};

/** By their words; the option that some take doubles them. */
export const NORMALIZERS: ReadonlyMap<string, Normalizer> = new Map([
	['fragment-encode', encodeFragment],
	['fragment-strip', stripFragment],
	['path-merge-slashes', mergeSlashes],
	['path-strip-dot', stripDot],
	['path-strip-dotdot', stripDotDotKeepingFirst],
	['path-strip-dotdot full', stripDotDotFully],
	['percent-decode-unreserved', decodeUnreserved(false)],
	['percent-decode-unreserved strict', decodeUnreserved(true)],
	['percent-to-uppercase', upperCase(false)],
	['percent-to-uppercase strict', upperCase(true)],
	['query-sort-by-name', sortQuery],
]);

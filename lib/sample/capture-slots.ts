/**
 * Capture slots of a frontend: what `%hr`, `%hs`, `capture.req.hdr(n)` and `capture ... id n` count. First
 * those of `capture request header` and `declare capture`, then one for each `capture <sample> len <n>` rule,
 * in the order of their lines.
 *
 * It gives up: HAProxy numbers header captures and rules in the order of the file even when the two are
 * mixed; here the declared ones always come first.
 */
import type { Line, ProxyModel } from '../config/model.js';

export interface CaptureSlot {
	/** The header captured into it; undefined for a slot that only rules fill. */
	readonly headerName: string | undefined;
	readonly lengthBytes: number;
}

/** The length of a `capture <sample> len <n>` rule; undefined for any other line. */
function ruleCaptureLength(line: Line): number | undefined {
	const words = line.words;
	if (words[0] !== 'capture') return undefined;
	const condition = words.findIndex((word) => word === 'if' || word === 'unless');
	const at = words.indexOf('len', 2);
	if (at < 0 || (condition >= 0 && at > condition)) return undefined;
	const length = Number(words[at + 1]);
	return Number.isInteger(length) && length > 0 ? length : undefined;
}

/** Capturing rules of the request side; the content rules of one file stand among the others by line. */
function captureRules(model: ProxyModel): Line[] {
	return [...model.tcpRequestContent, ...model.httpRequest]
		.filter((line) => ruleCaptureLength(line) !== undefined)
		.sort((a, b) => (a.place.file === b.place.file ? a.place.line - b.place.line : 0));
}

export function requestCaptureSlots(model: ProxyModel): CaptureSlot[] {
	const declared = model.requestCaptures.map(slotOf);
	const ruled = captureRules(model).map((line) => ({
		headerName: undefined,
		lengthBytes: ruleCaptureLength(line) as number,
	}));
	return [...declared, ...ruled];
}

export function responseCaptureSlots(model: ProxyModel): CaptureSlot[] {
	return model.responseCaptures.map(slotOf);
}

function slotOf(capture: { readonly name: string; readonly length: number }): CaptureSlot {
	return { headerName: capture.name === '' ? undefined : capture.name.toLowerCase(), lengthBytes: capture.length };
}

/** The slot of the rule at that place, for a rule with `len`. */
export function slotOfRule(model: ProxyModel, file: string, line: number): number {
	const index = captureRules(model).findIndex((rule) => rule.place.file === file && rule.place.line === line);
	return index < 0 ? -1 : model.requestCaptures.length + index;
}

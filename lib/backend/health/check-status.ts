/**
 * How a check ended: the names and sentences of the manual (management.html, `check_status`), and what each means
 * for the server.
 */
export const CheckStatus = {
	SOCKERR: 'SOCKERR',
	L4OK: 'L4OK',
	L4TOUT: 'L4TOUT',
	L4CON: 'L4CON',
	L6OK: 'L6OK',
	L6TOUT: 'L6TOUT',
	L6RSP: 'L6RSP',
	L7OK: 'L7OK',
	L7OKC: 'L7OKC',
	L7TOUT: 'L7TOUT',
	L7RSP: 'L7RSP',
	L7STS: 'L7STS',
	HANA: 'HANA',
	PROCOK: 'PROCOK',
	PROCERR: 'PROCERR',
	PROCTOUT: 'PROCTOUT',
} as const;
export type CheckStatus = (typeof CheckStatus)[keyof typeof CheckStatus];

/** `conditional`: alive, and asks for no more new clients. */
export type CheckVerdict = 'passed' | 'conditional' | 'failed';

interface StatusFacts {
	readonly description: string;
	readonly verdict: CheckVerdict;
	/** A code of the protocol belongs to it, and is logged. */
	readonly hasCode: boolean;
}

const FACTS: Readonly<Record<CheckStatus, StatusFacts>> = {
	SOCKERR: { description: 'Socket error', verdict: 'failed', hasCode: false },
	L4OK: { description: 'Layer4 check passed', verdict: 'passed', hasCode: false },
	L4TOUT: { description: 'Layer4 timeout', verdict: 'failed', hasCode: false },
	L4CON: { description: 'Layer4 connection problem', verdict: 'failed', hasCode: false },
	L6OK: { description: 'Layer6 check passed', verdict: 'passed', hasCode: false },
	L6TOUT: { description: 'Layer6 timeout', verdict: 'failed', hasCode: false },
	L6RSP: { description: 'Layer6 invalid response', verdict: 'failed', hasCode: false },
	L7OK: { description: 'Layer7 check passed', verdict: 'passed', hasCode: true },
	L7OKC: { description: 'Layer7 check conditionally passed', verdict: 'conditional', hasCode: true },
	L7TOUT: { description: 'Layer7 timeout', verdict: 'failed', hasCode: false },
	L7RSP: { description: 'Layer7 invalid response', verdict: 'failed', hasCode: false },
	L7STS: { description: 'Layer7 wrong status', verdict: 'failed', hasCode: true },
	HANA: { description: 'Health analyze', verdict: 'failed', hasCode: false },
	PROCOK: { description: 'External check passed', verdict: 'passed', hasCode: true },
	PROCERR: { description: 'External check error', verdict: 'failed', hasCode: true },
	PROCTOUT: { description: 'External check timeout', verdict: 'failed', hasCode: true },
};

export interface CheckResult {
	readonly status: CheckStatus;
	/** Of the protocol: an HTTP status, an SMTP reply; 0 where there is none. */
	readonly code: number;
	/** For people; empty where the status says all. */
	readonly info: string;
	/** Below 0: not measured. */
	readonly durationMs: number;
}

export const descriptionOf = (status: CheckStatus): string => FACTS[status].description;
export const hasCode = (status: CheckStatus): boolean => FACTS[status].hasCode;
export const verdictOf = (status: CheckStatus): CheckVerdict => FACTS[status].verdict;

/** Control bytes, quotes and what is not ASCII become `\xx`: the text came from a server. */
function quoted(text: string): string {
	return text.replace(/[^\x20-\x7e]|["\\]/g, (char) => `\\${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** `, reason: Layer7 wrong status, code: 503, info: "...", check duration: 7ms` */
export function describeResult({ status, code, info, durationMs }: CheckResult): string {
	const { description, hasCode } = FACTS[status];
	let text = `, reason: ${description}`;
	if (hasCode) text += `, code: ${code}`;
	if (info !== '') text += `, info: "${quoted(info)}"`;
	return durationMs < 0 ? text : `${text}, check duration: ${durationMs}ms`;
}

/**
 * The last gate before bytes made by a rule become part of a message. Whatever a format, a converter
 * (`url_dec`) or a file brings, a value with CR, LF, NUL or another control byte never reaches the wire:
 * it could end a field, a head or a request and begin another (RFC 9112, section 11.1). The codec is as
 * strict with what comes in; here it is about what goes out.
 */
import { isFieldValue, isToken } from '../http/characters.js';

/** Fields that say where a body ends. Only the codec writes them: a rule cannot know the body. */
const FRAMING_FIELDS: readonly string[] = ['content-length', 'transfer-encoding'];

export function isFramingField(lowerName: string): boolean {
	return FRAMING_FIELDS.includes(lowerName);
}

/** A field value without surrounding blanks, or undefined if it must not be sent. */
export function safeFieldValue(value: string): string | undefined {
	if (!isFieldValue(value)) return undefined;
	const first = value.charCodeAt(0);
	const last = value.charCodeAt(value.length - 1);
	return first === 32 || first === 9 || last === 32 || last === 9 ? value.replace(/^[ \t]+|[ \t]+$/g, '') : value;
}

/** Why a rule must not write a field of that name, or undefined if it may. */
export function refuseFieldName(lowerName: string): string | undefined {
	if (!isToken(lowerName)) return `'${lowerName}' is not a valid header name`;
	if (isFramingField(lowerName)) return `'${lowerName}' tells where the message ends and cannot be changed by a rule`;
	return undefined;
}

/** Text inside double quotes of a header parameter (RFC 9110, section 5.6.4). */
export function quotedString(text: string): string {
	return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

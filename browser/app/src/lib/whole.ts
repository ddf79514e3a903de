/** Whether this may be a whole telephone number or e-mail address. */
export const isWhole = (text: string) => (text.includes('@') ? /.@.+\../.test(text) : !/\p{L}/u.test(text) && (text.match(/\p{Nd}/gu) ?? []).length > 6)

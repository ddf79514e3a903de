/** Where it is kept when this hint was answered with "Not now". */
export const declined = (what: string) => 'catchment.not-now.' + what

export const decline = (what: string) => localStorage.setItem(declined(what), String(Date.now()))

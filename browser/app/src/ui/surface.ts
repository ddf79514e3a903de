/** What lies over the page: the only things with a shadow. */
export const floating =
  'rounded-lg border border-line bg-floating text-ink shadow-float outline-none transition-[opacity,scale] duration-100 ease-out ' +
  'data-starting-style:scale-98 data-starting-style:opacity-0 data-ending-style:opacity-0'
export const veil = 'fixed inset-0 z-40 bg-(--veil) transition-opacity duration-100 data-starting-style:opacity-0 data-ending-style:opacity-0'

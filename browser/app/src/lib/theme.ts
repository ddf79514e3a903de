import { useSyncExternalStore } from 'react'

export type Theme = 'system' | 'light' | 'dark'
const place = 'catchment.theme'
const listeners = new Set<() => void>()
let theme = (localStorage.getItem(place) as Theme | null) ?? 'system'

export function showTheme() {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}

export function setTheme(t: Theme) {
  theme = t
  localStorage.setItem(place, t)
  showTheme()
  for (const f of listeners) f()
}

export const useTheme = () =>
  useSyncExternalStore(
    (f) => {
      listeners.add(f)
      return () => void listeners.delete(f)
    },
    () => theme,
  )

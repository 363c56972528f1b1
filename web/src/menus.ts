// web/src/menus.ts: the details elements that hang below their summary: Escape and a click
// elsewhere close them, and one is open at a time.

export function tameMenus(): void {
  const menus = [...document.querySelectorAll<HTMLDetailsElement>('details.menu')];
  const closeAllBut = (kept: Node | null): void => {
    for (const menu of menus) if (menu.open && !menu.contains(kept)) menu.open = false;
  };
  document.addEventListener('pointerdown', (event) => closeAllBut(event.target as Node));
  document.addEventListener('focusin', (event) => closeAllBut(event.target as Node));
  for (const menu of menus) {
    menu.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !menu.open) return;
      event.stopPropagation();
      menu.open = false;
      menu.querySelector('summary')?.focus();
    });
  }
}

import { createRoot } from "react-dom/client";

import { SignUp } from "./recipe.jsx";

createRoot(document.getElementById("root")).render(<SignUp />);
